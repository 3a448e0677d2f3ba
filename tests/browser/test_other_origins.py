"""Pages of other origins in a real browser: none can use a service without keys, and listed ones can use all of it."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.failure import failure
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase
from jobs.storage.factory import open_storage
from service.settings import ServiceSettings
from tests.announced_worker import announced_worker
from tests.browser.other_pages import PLAYER, other_pages
from tests.integration.service.conftest import running_apis
from tests.job_store import JobStore
from tests.long_video import LongVideoWorker

pytestmark = pytest.mark.slow

KEY = "key-of-a-page"
TIMEOUT_MS = 120_000


@dataclass(frozen=True)
class Services:
    """A service without keys, one with a key and an allowed origin, both without a worker, and the other pages."""

    without_keys: str
    with_keys: str
    settings: ServiceSettings
    store: JobStore
    pages_port: int

    def page_url(self, name: str) -> str:
        return f"http://{name}:{self.pages_port}/"

    def refusals(self) -> int:
        """The number of refusals of the service without keys."""
        metrics = httpx.get(f"{self.without_keys}/metrics", timeout=60).text
        return sum(int(float(count)) for count in re.findall(r'requests_total{.*status="403"} (\S+)', metrics))

    def videos(self) -> int:
        """The number of videos of the service without keys."""
        return len(httpx.get(f"{self.without_keys}/v1/videos?limit=100", timeout=60).raise_for_status().json()["data"])


@pytest.fixture(scope="module")
def services(
    chromium: str, tmp_path_factory: pytest.TempPathFactory, redis_server: EmbeddedRedis, card: ModelCard
) -> Iterator[Services]:
    with running_apis() as start, other_pages() as port, Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        with announced_worker(redis, card):
            values = {"redis_url": redis_server.url, "data_dir": tmp_path_factory.mktemp("data")}
            keyless = ServiceSettings.model_validate(values)
            keyed = ServiceSettings.model_validate(
                {**values, "api_keys": KEY, "cors_origins": f"http://allowed.example:{port}"}
            )
            yield Services(start(keyless), start(keyed), keyed, JobStore(redis), port)


@pytest.fixture(scope="module")
def window(browser: Any) -> Iterator[Any]:
    """A window without stored data."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def page(window: Any) -> Iterator[Any]:
    """A new tab."""
    page = window.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    yield page
    page.close()


@pytest.fixture
def other_page(request: pytest.FixtureRequest, page: Any, services: Services) -> Any:
    """A page of another origin: of another site, or with this parameter."""
    page.goto(services.page_url(getattr(request, "param", "other.example")))
    return page


FORM = "const form = new FormData(); form.set('prompt', 'a'); form.set('num_frames', '8');"
ATTACKS = {
    "a form by fetch": FORM + "fetch(url, {method: 'POST', mode: 'no-cors', body: form}).catch(() => {})",
    "text by fetch": "fetch(url, {method: 'POST', mode: 'no-cors', body: '{\"prompt\": \"a\"}'}).catch(() => {})",
    "a beacon": FORM + "navigator.sendBeacon(url, form)",
    "a submitted form": """document.body.innerHTML = `<form method=post enctype=multipart/form-data action="${url}">
        <input name=prompt value=a></form>`; document.forms[0].submit()""",
    "an image": "new Image().src = url",
    "a script": "document.body.append(Object.assign(document.createElement('script'), {src: url}))",
    "a frame": "document.body.append(Object.assign(document.createElement('iframe'), {src: url}))",
}


@pytest.mark.parametrize(
    ("other_page", "attack"),
    [*(("other.example", attack) for attack in ATTACKS), ("127.0.0.1", "a form by fetch"), ("127.0.0.1", "an image")],
    indirect=["other_page"],
)
def test_a_page_of_another_origin_can_use_nothing_without_keys(
    other_page: Any, services: Services, attack: str
) -> None:
    refusals, videos = services.refusals(), services.videos()
    other_page.evaluate("url => {" + ATTACKS[attack] + "}", f"{services.without_keys}/v1/videos")
    deadline = time.monotonic() + 240
    while services.refusals() == refusals:
        assert time.monotonic() < deadline
        other_page.wait_for_timeout(20)
    assert services.videos() == videos


def test_a_page_whose_name_leads_to_this_machine_reads_and_changes_nothing(page: Any, services: Services) -> None:
    url = f"http://rebound.example:{httpx.URL(services.without_keys).port}/"
    videos = services.videos()
    assert page.goto(url).status == 403
    statuses = page.evaluate(
        """async () => {
            const body = JSON.stringify({prompt: 'a'}), headers = {'Content-Type': 'application/json'};
            const answers = [await fetch('/v1/videos'), await fetch('/v1/videos', {method: 'POST', headers, body})];
            return answers.map((answer) => answer.status);
        }"""
    )
    assert statuses == [403, 403]
    assert services.videos() == videos


def test_a_link_of_another_page_opens_the_studio(other_page: Any, services: Services) -> None:
    other_page.evaluate("url => document.body.innerHTML = `<a href='${url}'>studio</a>`", services.without_keys)
    other_page.get_by_text("studio").click()
    other_page.get_by_label("Prompt", exact=True).wait_for()
    assert other_page.evaluate("fetch('v1/models').then((answer) => answer.status)") == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_studio_creates_a_video_without_keys(page: Any, services: Services, host: str) -> None:
    page.goto(services.without_keys.replace("127.0.0.1", host))
    page.get_by_label("Prompt", exact=True).fill("a boat")
    page.get_by_label("Prompt", exact=True).press("Enter")
    page.wait_for_url("**#video_*")
    video_id = page.evaluate("location.hash.slice(1)")
    httpx.delete(f"{services.without_keys}/v1/videos/{video_id}", timeout=60).raise_for_status()


@pytest.fixture
def allowed_page(page: Any, services: Services) -> Any:
    """A page of the listed origin."""
    page.goto(services.page_url("allowed.example"))
    page.evaluate("([url, key]) => Object.assign(window, {url, key})", [services.with_keys, KEY])
    return page


CREATE_AND_POLL = """async () => {
    const headers = {
        Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', 'Idempotency-Key': 'of-a-page',
        'x-stainless-os': 'Linux', 'x-stainless-retry-count': '0',
    };
    const {'Idempotency-Key': _, ...plain} = headers;
    const created = await fetch(`${url}/v1/videos`, {method: 'POST', headers, body: JSON.stringify({prompt: 'a'})});
    const polled = await fetch(new URL(created.headers.get('Location'), created.url), {headers});
    const refused = await fetch(`${url}/v1/videos`, {method: 'POST', headers: plain, body: '{"promt": "a"}'});
    return {
        id: (await created.json()).id, status: (await polled.json()).status,
        interval: Number(polled.headers.get('openai-poll-after-ms')), code: (await refused.json()).error.code,
        requestId: refused.headers.get('x-request-id'),
    };
}"""

LISTEN = """async (id) => {
    const headers = {Authorization: `Bearer ${key}`};
    const {ticket} = await (await fetch(`${url}/v1/videos/${id}/tickets`, {method: 'POST', headers})).json();
    const events = new EventSource(`${url}/v1/videos/${id}/events?ticket=${ticket}`);
    window.received = [];
    for (const name of ['state', 'progress', 'done'])
        events.addEventListener(name, ({data}) => received.push([name, JSON.parse(data)]));
}"""


def test_a_page_of_a_listed_origin_creates_polls_and_follows_a_video(allowed_page: Any, services: Services) -> None:
    result = allowed_page.evaluate(CREATE_AND_POLL)
    assert (result["status"], result["code"]) == ("queued", "unknown_parameter")
    assert result["interval"] > 0
    assert result["requestId"]
    allowed_page.evaluate(LISTEN, result["id"])
    job = services.store.lease(result["id"], "worker-1")
    assert job
    services.store.report(job.id, job.token or "", Phase.DENOISING, 3, 10)
    services.store.fail(job.id, job.token or "", failure("internal_error"))
    allowed_page.wait_for_function("received.some(([name]) => name === 'done')")
    received = allowed_page.evaluate("received")
    assert {name for name, _ in received} == {"state", "progress", "done"}
    assert received[-1][1]["error"]["code"] == "internal_error"


def test_a_page_of_another_origin_cannot_use_a_key(page: Any, services: Services) -> None:
    page.goto(services.page_url("other.example"))
    request = "([url, key]) => fetch(url, {headers: {Authorization: `Bearer ${key}`}}).then(() => 'read', String)"
    assert "TypeError" in page.evaluate(request, [f"{services.with_keys}/v1/videos", KEY])


PLAYERS = {
    "hls.js": "const hls = new Hls(); hls.loadSource(source); hls.attachMedia(video)",
    "the player of the browser": "video.src = source",
}


@pytest.mark.parametrize("player", PLAYERS)
def test_a_player_on_a_page_of_a_listed_origin_plays_the_playlist_url_without_a_key(
    allowed_page: Any, services: Services, player: str, tmp_path: Path
) -> None:
    source = playlist_url(services, services.with_keys, tmp_path)
    allowed_page.add_script_tag(url=PLAYER)
    assert played_s(allowed_page, PLAYERS[player], source) == pytest.approx(2.0, abs=0.1)


def test_a_signed_link_plays_on_each_page_also_without_keys(
    other_page: Any, services: Services, tmp_path: Path
) -> None:
    source = playlist_url(services, services.without_keys, tmp_path)
    assert played_s(other_page, PLAYERS["the player of the browser"], source) == pytest.approx(2.0, abs=0.1)


def playlist_url(services: Services, url: str, folder: Path) -> str:
    """The playlist_url of a new video of three windows."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
        job = services.store.lease(client.post("/v1/videos", json={"prompt": "a"}).json()["id"], "worker-1")
        assert job
        worker = LongVideoWorker(services.store, open_storage(services.settings), folder, job)
        for _ in range(3):
            worker.window()
        worker.finish()
        return str(client.get(f"/v1/videos/{job.id}").json()["playlist_url"])


def played_s(page: Any, start: str, source: str) -> float:
    """Plays a video on the page to its end, and returns its duration in seconds."""
    create = "source => { const video = document.createElement('video'); video.muted = true;"
    page.evaluate(f"{create} document.body.append(video); {start}; video.play() }}", source)
    page.wait_for_function("document.querySelector('video').ended")
    return float(page.evaluate("document.querySelector('video').duration"))
