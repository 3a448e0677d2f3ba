"""EASYANIMATE_DURABLE_SUBMIT=disk: an answer waits for the disk of Redis; a video that is not on it is withdrawn."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.access.idempotency import Claim
from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.store.callers.durable_submission import DurableSubmission, Withdrawal
from service.settings import ServiceSettings
from service.submission.idempotency import IdempotencyHeaders
from tests.announced_worker import announce_for_long
from tests.integration.jobs.redis.test_durability import waits_of
from tests.integration.jobs.redis.test_health import configured
from tests.integration.service.conftest import running_apis
from tests.job_store import JobStore

BODY = {"prompt": "a red fox"}
KEY = {"Idempotency-Key": "order-17"}


@pytest.fixture
def settings(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    monkeypatch.setattr("service.resources.DISK_TIMEOUT_S", 120.0)  # that of a slow machine takes longer
    return settings.model_copy(update={"durable_submit": "disk"})


@contextmanager
def without_disk(redis: Redis) -> Iterator[None]:
    """The server refuses WAITAOF in the block."""
    with configured(redis, appendonly="no"):
        yield


def ids(api: httpx.Client) -> list[str]:
    return [video["id"] for video in api.get("/v1/videos", params={"limit": 100}).json()["data"]]


def test_each_way_to_a_video_waits_for_the_disk(
    api: httpx.Client, redis: Redis, finish: Callable[[str], bytes], clip: Callable[..., bytes], store: JobStore
) -> None:
    first = api.post("/v1/videos", json=BODY).json()["id"]
    store.cancel(api.post("/v1/videos", json={**BODY, "prompt": "another"}).json()["id"])
    finish(first)
    again = {"x-stainless-retry-count": "1"}
    ways: dict[str, Callable[[], httpx.Response]] = {
        "json": lambda: api.post("/v1/videos", json=BODY),
        "several": lambda: api.post("/v1/videos", json={**BODY, "n": 3}),
        "form": lambda: api.post("/v1/videos", data=BODY, files={"previews[every_steps]": (None, "5")}),
        "asynchronous": lambda: api.post("/v1/videos", json=BODY, headers={"Prefer": "respond-async"}),
        "remix": lambda: api.post(f"/v1/videos/{first}/remix", json=BODY),
        "extension": lambda: api.post("/v1/videos/extensions", data=BODY, files={"video": clip()}),
        "edit": lambda: api.post("/v1/videos/edits", data=BODY, files={"video": clip()}),
        "key": lambda: api.post("/v1/videos", json=BODY, headers=KEY),
        "repetition by key": lambda: api.post("/v1/videos", json=BODY, headers=KEY),
        "repetition without key": lambda: api.post("/v1/videos", json=BODY, headers=again),
    }
    waited = {}
    for name, send in ways.items():
        before = waits_of(redis)
        answer = send()
        assert answer.status_code in (200, 202), answer.text
        waited[name] = waits_of(redis) - before
    assert waited == dict.fromkeys(ways, 1)


def test_a_video_that_is_not_on_disk_is_refused_and_withdrawn(
    api: httpx.Client, redis: Redis, settings: ServiceSettings, code_of: Callable[[httpx.Response], str]
) -> None:
    with without_disk(redis):
        answers = [
            api.post("/v1/videos", json={**BODY, **more}, headers=headers)
            for more, headers in (({}, {}), ({"n": 3}, {}), ({}, KEY), ({}, {"x-stainless-retry-count": "1"}))
        ]
    assert [(answer.status_code, code_of(answer)) for answer in answers] == [(503, "not_durable")] * 4
    assert {answer.headers["retry-after"] for answer in answers} == {"2"}
    assert ids(api) == []
    assert [key for key in redis.scan_iter("job:*") if redis.type(key) == b"hash"] == []
    assert redis.zcard("queue:easyanimate-v3-tiny:normal") == 0
    answer = api.post("/v1/videos", json=BODY, headers=KEY)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (200, False)
    assert ids(api) == [answer.json()["id"]]


def test_a_withdrawn_video_leaves_no_input_files(
    api: httpx.Client, redis: Redis, settings: ServiceSettings, code_of: Callable[[httpx.Response], str]
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 16), "red").save(out, "PNG")

    def files() -> list[Path]:
        return [path for path in settings.data_dir.rglob("*.png") if path.is_file()]

    assert api.post("/v1/videos", data=BODY, files={"image": out.getvalue()}).status_code == 200
    stored = files()
    with without_disk(redis):
        answer = api.post("/v1/videos", data=BODY, files={"image": out.getvalue()})
    assert code_of(answer) == "not_durable"
    assert files() == stored != []


def test_a_repetition_is_answered_only_when_the_first_video_is_on_disk(
    settings: ServiceSettings, api: httpx.Client, redis: Redis, code_of: Callable[[httpx.Response], str]
) -> None:
    first = api.post("/v1/videos", json=BODY, headers=KEY).json()["id"]
    with without_disk(redis):
        refused = api.post("/v1/videos", json=BODY, headers=KEY)
    assert code_of(refused) == "not_durable"
    answer = api.post("/v1/videos", json=BODY, headers=KEY)
    assert (answer.json()["id"], answer.headers["idempotency-replayed"]) == (first, "true")


def test_a_front_end_is_not_ready_while_videos_cannot_be_on_disk(api: httpx.Client, redis: Redis) -> None:
    with without_disk(redis):
        answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["redis"])


@pytest.fixture
def durable(
    settings: ServiceSettings, announced: ModelCard
) -> Iterator[tuple[DurableSubmission, httpx.Client, FastAPI]]:
    """The durable submission of a running front end, and a client of it."""
    assert announced
    apps: list[FastAPI] = []
    with running_apis() as start, httpx.Client(base_url=start(settings, apps), timeout=120) as client:
        yield apps[0].state.resources.durable, client, apps[0]


def withdrawal_of(video_id: str) -> Withdrawal:
    key = IdempotencyHeaders("/v1/videos", KEY["Idempotency-Key"], is_retry=False).identify("local", BODY)
    return Withdrawal([video_id], Claim(key, video_id))


def test_a_video_with_which_a_repetition_was_answered_is_not_withdrawn(
    durable: tuple[DurableSubmission, httpx.Client, FastAPI], stored: Callable[[str], Job]
) -> None:
    submission, client, _ = durable
    video_id = client.post("/v1/videos", json=BODY, headers=KEY).json()["id"]
    assert client.post("/v1/videos", json=BODY, headers=KEY).json()["id"] == video_id
    assert not submission.withdraw(withdrawal_of(video_id))
    assert stored(video_id).id == video_id


def test_a_repetition_is_not_answered_with_a_video_that_is_withdrawn(
    durable: tuple[DurableSubmission, httpx.Client, FastAPI], monkeypatch: pytest.MonkeyPatch
) -> None:
    submission, client, _ = durable
    video_id = client.post("/v1/videos", json=BODY, headers=KEY).json()["id"]
    with monkeypatch.context() as patch:  # the withdrawal is decided, and the jobs are not deleted yet
        patch.setattr(submission.jobs, "delete", lambda _: None)
        patch.setattr("jobs.store.callers.durable_submission.release_claim", lambda *_: None)
        assert submission.withdraw(withdrawal_of(video_id))
    answer = client.post("/v1/videos", json=BODY, headers=KEY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_in_flight")
    assert submission.withdraw(withdrawal_of(video_id))
    assert client.post("/v1/videos", json=BODY, headers=KEY).json()["id"] != video_id


def test_a_video_that_cannot_be_withdrawn_now_is_refused_and_withdrawn_later(
    durable: tuple[DurableSubmission, httpx.Client, FastAPI],
    redis: Redis,
    code_of: Callable[[httpx.Response], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submission, client, _ = durable
    later: list[Withdrawal] = []

    def fail(_: Withdrawal) -> bool:
        raise QueueUnavailable("Redis is away")

    monkeypatch.setattr(submission, "withdraw", fail)
    monkeypatch.setattr(submission, "withdraw_later", later.append)
    with without_disk(redis):
        answer = client.post("/v1/videos", json=BODY, headers=KEY)
    assert (answer.status_code, code_of(answer)) == (503, "not_durable")
    assert [len(withdrawal.ids) for withdrawal in later] == [1]


def test_every_accepted_video_survives_a_kill_and_there_are_no_others(
    tmp_path: Path, free_port: Callable[[], int], card: ModelCard
) -> None:
    server = EmbeddedRedis(tmp_path / "redis", free_port()).start()
    settings = ServiceSettings(redis_url=server.url, data_dir=tmp_path, durable_submit="disk")
    accepted: dict[str, str] = {}
    try:
        with Redis.from_url(server.url) as redis:
            assert redis.config_get("appendfsync") == {"appendfsync": "everysec"}  # as it is shipped
            announce_for_long(redis, card, "w1")
        with running_apis() as start, ThreadPoolExecutor(4) as pool:
            url, killed = start(settings), threading.Event()
            writers = [pool.submit(submit_until, killed, url, number, accepted) for number in range(4)]
            deadline = time.monotonic() + 240
            while len(accepted) < 20 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.process is not None
            server.process.kill()  # in the middle of submits, without a pause
            killed.set()
            server.process.wait()
            refused = [key for writer in writers for key in writer.result(240)]
            server.start()
            with Redis.from_url(server.url) as redis:
                assert len(accepted) >= 20
                assert [i for i in accepted.values() if not redis.exists(f"job:{i}")] == []
                announce_for_long(redis, card, "w1")
            with httpx.Client(base_url=url, timeout=60) as client:
                for key in refused:
                    accepted[key] = accepted_id(client, key)
                wait_until_only(client, set(accepted.values()))
                assert {key: accepted_id(client, key) for key in accepted} == accepted
    finally:
        server.stop()


def submit_until(killed: threading.Event, url: str, number: int, accepted: dict[str, str]) -> list[str]:
    """Submits until the kill; records the accepted videos by their keys, and returns the keys of the others."""
    refused = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for count in range(1000):
            if killed.is_set():
                break
            key = f"{number}-{count}"
            answer = sent(client, key)
            if answer.status_code == 200:
                accepted[key] = answer.json()["id"]
            else:
                assert answer.status_code == 503, answer.text
                refused.append(key)
    return refused


def sent(client: httpx.Client, key: str) -> httpx.Response:
    """The answer to a request with this key."""
    return client.post("/v1/videos", json=BODY, headers={"Idempotency-Key": key})


def accepted_id(client: httpx.Client, key: str) -> str:
    """The video of this key; the request is repeated until it is accepted."""
    deadline = time.monotonic() + 240
    while (answer := sent(client, key)).status_code != 200:
        assert answer.json()["error"]["code"] in ("queue_unavailable", "not_durable", "idempotency_in_flight"), (
            answer.text
        )
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    return str(answer.json()["id"])


def wait_until_only(client: httpx.Client, expected: set[str]) -> None:
    """Waits until the caller has these videos and no others."""
    deadline = time.monotonic() + 240
    while (current := set(ids(client))) != expected:
        assert time.monotonic() < deadline, current ^ expected
        time.sleep(0.1)
