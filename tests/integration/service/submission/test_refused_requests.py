"""A refused request that is repeated without a key is a new video, never that of an older equal request."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import httpx
import openai
import pytest
from fastapi import FastAPI
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.model_card import ModelCard
from service.settings import ServiceSettings
from tests.integration.service.conftest import finished, running_apis
from tests.job_store import JobStore

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")  # of OpenAI's client

AGAIN = {"x-stainless-retry-count": "1"}
BODIES = [{"json": {"prompt": "a red fox"}}, {"data": {"prompt": "a red fox"}, "files": {"image": ("", b"")}}]
NORMAL, OTHER, DRAINING, ONE_A_MINUTE, ONE_IN_THE_QUEUE = range(5)
REFUSING = [DRAINING, ONE_A_MINUTE, ONE_IN_THE_QUEUE]
TWENTY_A_MINUTE = 5
LIMITS: list[dict[str, object]] = [
    *({}, {}, {}, {"limits": {"requests_per_minute": 1}}, {"max_queued_jobs": 1}),
    {"limits": {"requests_per_minute": 20}},
]


class FrontEnds:
    """Front ends of one installation: some accept all requests, the others refuse them for different reasons."""

    def __init__(self, urls: list[str], settings: ServiceSettings) -> None:
        self.urls = urls
        self.settings = settings

    def post(self, place: int, path: str = "/v1/videos", headers: object = None, **content: object) -> httpx.Response:
        content = content or BODIES[0]
        return httpx.post(self.urls[place] + path, headers=headers, timeout=120, **content)  # type: ignore[arg-type]

    def create(self, place: int, path: str = "/v1/videos", headers: object = None, **content: object) -> str:
        response = self.post(place, path, headers, **content)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    def refuse(self, place: int, headers: object = None, **content: object) -> None:
        """Sends a request to a front end that refuses it."""
        if place == ONE_A_MINUTE:
            self.post(place, json={"prompt": "another"})
        assert self.post(place, "/v1/videos", headers, **content).status_code in (429, 503)


@pytest.fixture(scope="module")
def _front_ends(tmp_path_factory: pytest.TempPathFactory, redis_server: EmbeddedRedis) -> Iterator[FrontEnds]:
    common = {"redis_url": redis_server.url, "data_dir": tmp_path_factory.mktemp("front ends")}
    apps: list[FastAPI] = []
    with running_apis() as start:
        urls = [start(ServiceSettings(**common, **limits), apps) for limits in LIMITS]  # type: ignore[arg-type]
        apps[DRAINING].state.resources.draining.set()
        yield FrontEnds(urls, ServiceSettings(**common))  # type: ignore[arg-type]


@pytest.fixture
def front_ends(_front_ends: FrontEnds, announced: ModelCard) -> FrontEnds:
    """The front ends with an empty database and a model."""
    return _front_ends


@pytest.mark.parametrize("reason", REFUSING)
@pytest.mark.parametrize("content", BODIES, ids=["json", "form"])
def test_the_repetition_of_a_refused_first_try_is_a_new_video(
    front_ends: FrontEnds, reason: int, content: dict[str, object]
) -> None:
    older = front_ends.create(NORMAL, **content)
    front_ends.refuse(reason, {"x-stainless-retry-count": "0"}, **content)
    repeat, again = (front_ends.post(place, headers=AGAIN, **content) for place in (OTHER, NORMAL))
    assert "idempotency-replayed" not in repeat.headers
    assert repeat.json()["id"] != older
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (repeat.json()["id"], "true")


@pytest.mark.parametrize("reason", [DRAINING, ONE_A_MINUTE])
def test_a_refused_repetition_leaves_the_memory_of_its_first_try(front_ends: FrontEnds, reason: int) -> None:
    first = front_ends.create(NORMAL)
    front_ends.refuse(reason, AGAIN)
    assert front_ends.create(OTHER, headers={"x-stainless-retry-count": "2"}) == first


def test_refused_remixes_extensions_and_edits_are_repeated_as_new_ones(front_ends: FrontEnds, store: JobStore) -> None:
    source = front_ends.create(NORMAL)
    finished(store, front_ends.settings, source)
    for path in (f"/v1/videos/{source}/remix", "/v1/videos/extensions", "/v1/videos/edits"):
        body = {"prompt": "a blue fox"} | ({} if path.endswith("remix") else {"video": {"id": source}})
        older = front_ends.create(NORMAL, path, json=body)
        assert front_ends.post(DRAINING, path, json=body).json()["error"]["code"] == "draining"
        assert front_ends.create(NORMAL, path, AGAIN, json=body) != older


def test_a_refused_request_with_a_key_keeps_its_video(front_ends: FrontEnds) -> None:
    key = {"Idempotency-Key": "order-17"}
    first = front_ends.create(NORMAL, headers=key)
    front_ends.refuse(DRAINING, key)
    assert front_ends.create(NORMAL, headers={**key, **AGAIN}) == first


@pytest.mark.parametrize("reason", [DRAINING, ONE_IN_THE_QUEUE], ids=["before its claim", "after its claim"])
def test_only_the_refusal_of_a_request_without_a_key_is_stored(
    front_ends: FrontEnds, redis: Redis, reason: int
) -> None:
    front_ends.create(NORMAL, json={"prompt": "another"})  # fills the queue of one
    front_ends.refuse(reason, {"Idempotency-Key": "order-17"})
    assert redis.keys("refused:*") == []
    front_ends.refuse(reason)
    assert len(redis.keys("refused:*")) == 1  # type: ignore[arg-type]
    assert len(redis.keys("asked:*")) == 1  # type: ignore[arg-type]  # of the other video: the claims are released


@pytest.mark.parametrize("due_in_s", [60, -10])
def test_a_video_accepted_after_an_abandoned_refusal_is_repeated_as_one(
    front_ends: FrontEnds, redis: Redis, due_in_s: int
) -> None:
    """Before the time that the refusal advised, and long after it."""
    front_ends.refuse(DRAINING)  # its client does not repeat it
    (key,) = redis.keys("refused:*")  # type: ignore[misc]
    redis.zadd(key, {redis.zrange(key, 0, -1)[0]: time.time() + due_in_s})  # type: ignore[index]
    assert front_ends.create(NORMAL) == front_ends.create(NORMAL, headers=AGAIN)


@pytest.mark.parametrize("value", ["-1", "0", "00", "0.5", "1.0", "1e3", "+1", "one", "", "1, 1"])
def test_only_a_positive_whole_retry_count_marks_a_repetition(front_ends: FrontEnds, value: str) -> None:
    headers = {"x-stainless-retry-count": value}
    assert front_ends.create(NORMAL, headers=headers) != front_ends.create(OTHER, headers=headers)


def test_two_values_of_a_key_are_refused_and_equal_ones_count_once(
    front_ends: FrontEnds, code_of: Callable[[httpx.Response], str]
) -> None:
    name = "Idempotency-Key"
    answer = front_ends.post(NORMAL, headers=[(name, "a"), (name, "b")])
    assert (answer.status_code, code_of(answer)) == (400, "invalid_request")
    headers = [(name, "a"), (name, "a"), ("x-stainless-retry-count", "0")]
    assert front_ends.create(NORMAL, headers=headers) == front_ends.create(NORMAL, headers=headers)


def test_equal_requests_that_openais_client_sends_at_once_are_as_many_videos(front_ends: FrontEnds) -> None:
    """One of two front ends drains, so about half of the tries are refused while the others are accepted."""
    places = cycle([front_ends.urls[DRAINING], front_ends.urls[NORMAL]])

    async def send(request: httpx.Request) -> None:
        request.url = httpx.URL(next(places) + "/v1/videos")
        request.headers["host"] = request.url.netloc.decode()

    async def create_all() -> list[str]:
        http = httpx.AsyncClient(event_hooks={"request": [send]}, timeout=60)
        async with openai.AsyncOpenAI(base_url="http://x/v1", api_key="any", max_retries=8, http_client=http) as client:
            videos = await asyncio.gather(*(client.videos.create(prompt="a red fox") for _ in range(10)))
        return [video.id for video in videos]

    assert len(set(asyncio.run(create_all()))) == 10


def test_equal_requests_of_openais_client_over_its_limit_are_as_many_videos(front_ends: FrontEnds) -> None:
    url = f"{front_ends.urls[TWENTY_A_MINUTE]}/v1"
    started = time.monotonic()
    with openai.OpenAI(base_url=url, api_key="any", max_retries=20) as client:
        with ThreadPoolExecutor(24) as threads:  # at once: a slow machine would stay below its limit
            sent = [threads.submit(client.videos.with_raw_response.create, prompt="a red fox") for _ in range(24)]
        answers = [one.result() for one in sent]
    assert len({answer.parse().id for answer in answers}) == 24
    took_s = time.monotonic() - started
    assert sum(answer.retries_taken for answer in answers) >= 1 or took_s > (24 - 20) * 3  # one comes back each 3 s
    assert not [answer for answer in answers if "idempotency-replayed" in answer.headers]
