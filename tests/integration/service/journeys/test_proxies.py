"""The service below a path of a real proxy with TLS: every link that it gives leads back through the proxy."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase
from jobs.storage.factory import open_storage
from service.settings import ServiceSettings
from tests.announced_worker import announce_for_long
from tests.integration.service.conftest import finished, running_apis
from tests.job_store import JobStore
from tests.long_video import LongVideoWorker
from tests.proxies import Proxy, caddy, nginx

KEY = "key-behind-a-proxy"
Code = Callable[[httpx.Response], str]
PROXIES = {
    "nginx that removes the path": nginx,
    "nginx that keeps the path": partial(nginx, removes_path=False),
    "Caddy": caddy,
}


@dataclass(frozen=True)
class ProxiedService:
    """A front end behind a proxy, without a worker."""

    proxy: Proxy
    client: httpx.Client
    settings: ServiceSettings
    store: JobStore

    def create(self, **fields: object) -> str:
        answer = self.client.post("/v1/videos", json={"prompt": "a", **fields}).raise_for_status()
        return str(answer.json()["id"])

    def worker(self, folder: Path) -> LongVideoWorker:
        """A worker that has leased a new video."""
        job = self.store.lease(self.create(), "worker-1")
        assert job
        return LongVideoWorker(self.store, open_storage(self.settings), folder, job)


@pytest.fixture(scope="module", params=PROXIES)
def service(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: EmbeddedRedis,
    card: ModelCard,
) -> Iterator[ProxiedService]:
    folder = tmp_path_factory.mktemp("proxy")
    values = {"redis_url": redis_server.url, "data_dir": folder, "api_keys": KEY}
    values["root_path"] = "/video" if "keeps" in request.param else ""
    settings = ServiceSettings.model_validate(values)
    with running_apis() as start, Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        announce_for_long(redis, card)
        opened = PROXIES[request.param](folder, lambda url: start(settings, public_url=url))
        with opened as proxy, proxy.client({"Authorization": f"Bearer {KEY}"}) as client:
            yield ProxiedService(proxy, client, settings, JobStore(redis))


def below(service: ProxiedService, answer: httpx.Response, reference: str) -> httpx.Response:
    """The response to the reference in an answer; it is below the path of the proxy."""
    url = answer.url.join(reference)
    assert str(url).startswith(service.proxy.url + "/")
    return service.client.get(url)


@pytest.mark.parametrize("action", ["create", "remix"])
def test_location_leads_to_the_record(service: ProxiedService, action: str) -> None:
    path = "/v1/videos"
    if action == "remix":
        finished(service.store, service.settings, source := service.create())
        path = f"/v1/videos/{source}/remix"
    created = service.client.post(path, json={"prompt": "a boat"}, headers={"Prefer": "respond-async"})
    assert created.status_code == 202
    assert below(service, created, created.headers["location"]).json()["id"] == created.json()["id"]


def test_the_link_of_a_page_leads_to_the_next_page(service: ProxiedService) -> None:
    first, second = service.create(), service.create()
    page = service.client.get("/v1/videos?limit=1")
    following = below(service, page, page.links["next"]["url"]).json()
    assert (page.json()["first_id"], following["first_id"]) == (second, first)


@pytest.mark.parametrize("path", ["/v1/videos/", "/v1/files/", "/docs/", "/healthz/"])
def test_a_slash_too_many_is_a_404_and_no_redirect(service: ProxiedService, path: str, code_of: Code) -> None:
    answer = service.client.get(path)
    assert (answer.status_code, code_of(answer), "location" in answer.headers) == (404, "not_found", False)


def test_the_path_without_a_slash_leads_to_the_studio(service: ProxiedService) -> None:
    answer = service.client.get(service.proxy.url)
    assert answer.status_code == 308
    assert "EasyAnimate Studio" in below(service, answer, answer.headers["location"]).text


def test_the_openapi_document_names_the_address_of_the_proxy(service: ProxiedService) -> None:
    answer = service.client.get("/openapi.json")
    [server] = answer.json()["servers"]
    assert str(answer.url.join(server["url"])).rstrip("/") == service.proxy.url


def test_the_links_of_a_record_and_the_redirect_to_the_file_need_no_key(service: ProxiedService) -> None:
    video_id = service.create()
    content = finished(service.store, service.settings, video_id)
    url = service.client.get(f"/v1/videos/{video_id}").json()["url"]
    redirect = service.client.get(f"/v1/videos/{video_id}/content?redirect=1").headers["location"]
    for link in (url, redirect):
        assert link.startswith(service.proxy.url + "/")
        with service.proxy.client() as anybody:
            assert anybody.get(link).content == content


def test_a_ticket_and_the_playlist_url_work_through_the_proxy(service: ProxiedService, tmp_path: Path) -> None:
    worker = service.worker(tmp_path)
    worker.window()
    record = service.client.get(f"/v1/videos/{worker.job.id}").json()
    with service.proxy.client() as anybody:
        playlist = anybody.get(record["playlist_url"]).raise_for_status()
        [segment] = [line for line in playlist.text.splitlines() if not line.startswith("#")]
        assert str(playlist.url.join(segment)).startswith(service.proxy.url + "/")
        assert anybody.get(playlist.url.join(segment)).content[0] == 0x47  # MPEG-TS
        ticket = service.client.post(f"/v1/videos/{worker.job.id}/tickets").json()["ticket"]
        assert anybody.get(f"/v1/videos/{worker.job.id}/playlist.m3u8", params={"ticket": ticket}).text.startswith(
            "#EXTM3U"
        )


def test_events_arrive_while_the_video_is_running(service: ProxiedService, tmp_path: Path) -> None:
    job = service.worker(tmp_path).job
    with service.client.stream("GET", f"/v1/videos/{job.id}/events") as events:
        lines = events.iter_lines()
        next(line for line in lines if '"running"' in line)
        service.store.report(job.id, job.token or "", Phase.DENOISING, 3, 10)
        progress = next(line for line in lines if line.startswith("data:") and '"step"' in line)
    assert json.loads(progress.removeprefix("data:"))["step"] == 3


def test_a_body_of_two_megabytes_passes_and_one_above_the_limit_is_refused_by_the_service(
    service: ProxiedService, code_of: Code
) -> None:
    answers = [
        service.client.post("/v1/files", files={"file": ("a.png", bytes(size))}, data={"purpose": "vision"})
        for size in (2 << 20, service.settings.body_limit_bytes)
    ]
    assert [answer.status_code for answer in answers] == [400, 413]
    assert code_of(answers[1]) == "payload_too_large"


def test_the_metrics_are_not_public(service: ProxiedService) -> None:
    assert service.client.get("/metrics").status_code == 404


def test_the_log_of_the_proxy_has_no_signature_and_no_ticket(service: ProxiedService) -> None:
    video_id = service.create()
    service.client.get(f"/v1/videos/{video_id}/events?ticket=watch.1.0a0b")
    logs = [service.proxy.folder / name for name in ("easyanimate.log", "output.log", "error.log")]
    if logs[0].exists():  # Caddy writes no log of requests
        deadline = time.monotonic() + 240
        while f"/video/v1/videos/{video_id}/events" not in logs[0].read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    texts = [log.read_text() for log in logs if log.exists()]
    assert not [text for text in texts if "ticket=" in text or "signature=" in text]
