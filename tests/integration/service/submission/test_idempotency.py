"""Repetitions of a request are one video, over several front ends, as JSON or as a form."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import openai
import pytest
from PIL import Image
from redis import Redis

from jobs.access.idempotency import Claim, claim
from jobs.model.job import Job
from service.settings import ServiceSettings
from service.submission.idempotency import IdempotencyHeaders
from tests.job_store import JobStore

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")  # of OpenAI's client
Code = Callable[[httpx.Response], str]

KEY = {"Idempotency-Key": "order-17"}
AGAIN = {"x-stainless-retry-count": "1"}
BODY = {"prompt": "a red fox"}


def ids(api: httpx.Client) -> list[str]:
    return [video["id"] for video in api.get("/v1/videos", params={"limit": 100}).json()["data"]]


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 16), "red").save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        {"json": BODY},
        {"json": {**BODY, "n": 3}},
        {"data": BODY, "files": {"image": png()}},  # every try has a boundary of its own
        {"data": {**BODY, "metadata[a]": "b", "n": "2"}, "files": {"image": png(), "last_image": png()}},
    ],
    ids=["json", "json, several", "form", "form, several"],
)
def test_the_same_key_and_body_are_the_same_video(api: httpx.Client, content: dict[str, Any]) -> None:
    first = api.post("/v1/videos", headers=KEY, **content)
    created = ids(api)
    again = api.post("/v1/videos", headers={**KEY, "Prefer": "respond-async"}, **content)
    assert (first.status_code, again.status_code) == (200, 202)
    assert again.json() == first.json()
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert again.headers["location"] == first.headers["location"]
    assert ids(api) == created


def test_the_order_of_fields_makes_no_other_request(api: httpx.Client) -> None:
    fields = {"prompt": "a red fox", "seed": 7, "metadata": {"a": "1", "b": "2"}}
    turned = {"metadata": {"b": "2", "a": "1"}, "seed": 7, "prompt": "a red fox"}
    first, again = (api.post("/v1/videos", headers=KEY, json=body) for body in (fields, turned))
    assert (first.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotency-replayed"] == "true"


def test_repeated_remixes_extensions_and_edits_are_one_video(api: httpx.Client, finish: Callable[[str], bytes]) -> None:
    source = api.post("/v1/videos", json=BODY).json()["id"]
    finish(source)
    for path in (f"/v1/videos/{source}/remix", "/v1/videos/extensions", "/v1/videos/edits"):
        body = {"prompt": "a blue fox"} | ({} if path.endswith("remix") else {"video": {"id": source}})
        first, again = (api.post(path, json=body, headers={"Idempotency-Key": path}).json()["id"] for _ in range(2))
        assert first == again
    assert len(ids(api)) == 4


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/videos", {"prompt": "a red Fox"}), ("/v1/videos", {**BODY, "n": 1}), ("/v1/videos/extensions", BODY)],
)
def test_a_key_of_another_request_is_refused(
    api: httpx.Client, code_of: Code, path: str, body: dict[str, object]
) -> None:
    api.post("/v1/videos", json=BODY, headers=KEY)
    answer = api.post(path, json=body, headers=KEY)
    assert (answer.status_code, code_of(answer)) == (422, "idempotency_key_reused")
    assert len(ids(api)) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schlüssel".encode().decode("latin-1")])
def test_a_malformed_key_is_refused(api: httpx.Client, code_of: Code, key: str) -> None:
    answer = api.post("/v1/videos", json=BODY, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert (answer.status_code, code_of(answer)) == (400, "invalid_request")


def test_a_key_of_255_characters_is_accepted(api: httpx.Client) -> None:
    for _ in range(2):
        assert api.post("/v1/videos", json=BODY, headers={"Idempotency-Key": "~" * 255}).status_code == 200
    assert api.post("/v1/videos", json=BODY, headers={"Idempotency-Key": "~" * 254}).status_code == 200
    assert len(ids(api)) == 2


@pytest.mark.parametrize("count", ["", "0"])
def test_a_first_try_of_openais_client_is_no_repetition(api: httpx.Client, count: str) -> None:
    for _ in range(2):
        assert api.post("/v1/videos", json=BODY, headers={"x-stainless-retry-count": count}).status_code == 200
    assert len(ids(api)) == 2


def test_each_caller_has_keys_of_its_own(
    settings: ServiceSettings, announced: object, start_api: Callable[[ServiceSettings], str]
) -> None:
    keys = {"auth": "keys", "api_keys": type(settings)(api_keys="alice,bob").api_keys}
    url = start_api(settings.model_copy(update=keys))
    created = [
        httpx.post(
            f"{url}/v1/videos", json=BODY, headers={**headers, "Authorization": f"Bearer {who}"}, timeout=60
        ).json()["id"]
        for who in ("alice", "bob")
        for headers in (KEY, AGAIN)
    ]
    assert len(set(created)) == 4


def test_a_request_in_progress_is_a_409_until_it_has_a_response(api: httpx.Client, redis: Redis, code_of: Code) -> None:
    identity = IdempotencyHeaders("/v1/videos", "order-17", False).identify("local", BODY)
    assert isinstance(claim(redis, identity), Claim)
    answer = api.post("/v1/videos", json=BODY, headers=KEY)
    assert (answer.status_code, code_of(answer)) == (409, "idempotency_in_flight")
    assert answer.headers["retry-after"] == "1"
    assert "x-should-retry" not in answer.headers
    redis.delete(identity.redis_key)
    assert api.post("/v1/videos", json=BODY, headers=KEY).status_code == 200


def test_a_refused_request_may_be_repeated_with_the_same_key(api: httpx.Client, redis: Redis) -> None:
    assert api.post("/v1/videos", json={**BODY, "size": "1x1"}, headers=KEY).status_code == 400
    assert redis.keys("asked:*") == []
    assert api.post("/v1/videos", json=BODY, headers=KEY).status_code == 200


def test_without_a_key_two_requests_are_two_videos_and_a_retry_is_none(api: httpx.Client, code_of: Code) -> None:
    api.post("/v1/videos", json=BODY)
    second = api.post("/v1/videos", json=BODY).json()["id"]
    repeat = api.post("/v1/videos", json=BODY, headers=AGAIN)
    assert (repeat.json()["id"], repeat.headers["idempotency-replayed"]) == (second, "true")
    lost_on_the_way_here = api.post("/v1/videos", json={"prompt": "another"}, headers=AGAIN)
    assert "idempotency-replayed" not in lost_on_the_way_here.headers
    assert len(ids(api)) == 3


def test_the_key_of_a_deleted_video_creates_no_new_one(api: httpx.Client, code_of: Code) -> None:
    for headers in (KEY, {}):
        api.delete("/v1/videos/" + api.post("/v1/videos", json=BODY, headers=headers).json()["id"])
    answer = api.post("/v1/videos", json=BODY, headers=KEY)
    assert (answer.status_code, code_of(answer)) == (404, "video_not_found")
    assert api.post("/v1/videos", json=BODY, headers=AGAIN).status_code == 200  # without a key, it is a new request


def test_concurrent_requests_to_several_front_ends_are_one_video(
    settings: ServiceSettings, announced: object, start_api: Callable[[ServiceSettings], str], store: JobStore
) -> None:
    urls = [start_api(settings) for _ in range(3)]

    def submit(number: int) -> httpx.Response:
        return httpx.post(f"{urls[number % 3]}/v1/videos", json={**BODY, "n": 2}, headers=KEY, timeout=240)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(submit, range(24)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert store.queue_depth("easyanimate-v3-tiny") == 2


@pytest.fixture
def dropping() -> Iterator[Callable[[list[str], int], str]]:
    """A proxy that has each request executed and then, so many times, closes the connection instead of answering."""
    servers: list[ThreadingHTTPServer] = []

    def start(upstream: list[str], drops: int) -> str:
        left = [drops, 0]

        class Proxy(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                left[1] += 1
                url = upstream[left[1] % len(upstream)] + self.path
                answer = httpx.post(url, content=body, headers=dict(self.headers), timeout=60)
                if left[0]:
                    left[0] -= 1
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                for name in ("content-type", "idempotency-replayed"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Proxy))
        Thread(target=servers[-1].serve_forever).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("image", [None, png()], ids=["without an image", "with one"])
def test_openais_client_has_one_video_after_lost_responses(
    settings: ServiceSettings,
    announced: object,
    start_api: Callable[[ServiceSettings], str],
    dropping: Callable[[list[str], int], str],
    store: JobStore,
    stored: Callable[[str], Job],
    image: bytes | None,
) -> None:
    proxy = dropping([start_api(settings), start_api(settings)], 2)
    inputs = {} if image is None else {"input_reference": image}
    with openai.OpenAI(base_url=f"{proxy}/v1", api_key="any", max_retries=2) as client:
        answer = client.videos.with_raw_response.create(prompt="a red fox", **inputs)  # type: ignore[arg-type]
    assert answer.headers["idempotency-replayed"] == "true"
    (only,) = store.newest("local", 10)
    assert answer.parse().id == only.id
    assert bool(only.request.image_key) == (image is not None)
