"""Two installations in one Redis by EASYANIMATE_REDIS_PREFIX: neither reads or changes a key of the other."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import httpx
import pytest
from redis import Redis

from jobs.model.job import Job, new_job_id
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.model.states import State
from jobs.queue import tickets
from jobs.queue.registry import Registry
from jobs.redis.connection import connect
from jobs.redis.prefix import NAMES
from service.settings import ServiceSettings
from tests.integration.service.conftest import running_apis
from tests.integration.worker.keeper.test_recovery import keeper_of, wait_until
from tests.job_store import JobStore
from worker.health import ProcessHealth
from worker.keeper.__main__ import run_keeper
from worker.settings import WorkerSettings

MODEL = "easyanimate-v3-tiny"
BODY = {"prompt": "a red ball", "num_frames": 16, "num_inference_steps": 4}
MakeRequest = Callable[..., VideoRequest]


@contextmanager
def limited_user(redis: Redis, name: str) -> Iterator[None]:
    """A user who has only the keys and channels with this prefix: the server refuses all others."""
    rules = ["on", "nopass", f"~{name}:*", f"&{name}:*", "+@all", "-@dangerous", "+info", "+config|get"]
    redis.execute_command("ACL", "SETUSER", name, *rules)
    redis.execute_command("ACL", "LOG", "RESET")
    try:
        yield
    finally:
        redis.execute_command("ACL", "DELUSER", name)


@contextmanager
def running_keeper(settings: WorkerSettings, url: str, prefix: str) -> Iterator[None]:
    signals: SimpleQueue[int] = SimpleQueue()
    keeper = keeper_of(settings, redis_url=url, redis_prefix=prefix, sweep_s=0.05, lease_s=0.5)
    thread = Thread(target=run_keeper, args=[keeper, signals, ProcessHealth()])
    thread.start()
    try:
        yield
    finally:
        signals.put(15)
        thread.join(120)


@pytest.fixture
def others(redis: Redis, redis_url: str, card: ModelCard, make_request: MakeRequest) -> Iterator[list[JobStore]]:
    """An installation with the prefix `two` and one without: each has a lost job, a late one, and one that waits."""
    with connect(redis_url, retries=0, prefix="two:") as second:
        stores = [JobStore(client, lease_s=-1.0) for client in (second, redis)]
        for store in stores:
            Registry(store.redis).announce(card, "w9")
            for changes in ({}, {"deadline": 2.0}, {}):
                job = Job(id=new_job_id(), owner="me", request=make_request("a"), created_at=store.now(), **changes)
                store.submit(job)
            waiting = store.first_waiting(MODEL)
            assert waiting is not None
            assert store.lease(waiting, "w9") is not None
        yield stores


def snapshot(redis: Redis, prefix: str) -> dict[bytes, bytes | None]:
    """The keys of the other installations with their values."""
    names = (name for name in redis.scan_iter() if not name.startswith(prefix.encode()))
    return {name: redis.dump(name) for name in names}


def test_an_installation_reads_and_changes_only_keys_with_its_prefix(
    settings: WorkerSettings,
    redis: Redis,
    redis_url: str,
    others: list[JobStore],
    start: Callable[..., object],
    tmp_path: Path,
) -> None:
    before = snapshot(redis, "one:")
    with limited_user(redis, "one"):
        url = redis_url.replace("://", "://one:none@")
        start(redis_url=url, redis_prefix="one:", data_dir=tmp_path / "one")
        front = ServiceSettings(
            redis_url=url,
            redis_prefix="one",
            data_dir=tmp_path / "one",
            durable_submit="disk",
            webhook_allow_private=True,
        )
        with (
            running_keeper(settings, url, "one"),
            running_apis() as start_api,
            httpx.Client(base_url=start_api(front), timeout=60) as client,
        ):
            wait_until(lambda: redis.exists("one:models") == 1)
            names = travel(client, redis)
            own = {video["id"] for video in client.get("/v1/videos").json()["data"]}
        log = redis.execute_command("ACL", "LOG")
    assert [entry for entry in log if entry[b"username"] == b"one"] == []  # the server refused nothing
    assert snapshot(redis, "one:") == before
    for store in others:
        ids = {job.id for job in store.newest("me", 10)}
        assert len(ids) == 3
        assert not ids & own
        assert sorted(store.get(job_id).state for job_id in ids) == [State.QUEUED, State.QUEUED, State.RUNNING]
        assert store.redis.llen(tickets.tickets_key(MODEL)) > 0
    names |= names_of(redis)
    assert names <= NAMES
    assert {"job", "jobs", "model", "models", "rq", "outbox", "asked", "webhooks", "delivery", "tally"} <= names


def names_of(redis: Redis) -> set[str]:
    """The first words of all keys of the installation `one`."""
    return {key.decode().removeprefix("one:").partition(":")[0] for key in redis.scan_iter("one:*")}


def travel(client: httpx.Client, redis: Redis) -> set[str]:
    """Uses each kind of value: endpoints, files, keys, batches, priorities, events, cancels, deletions, deliveries.

    Returns the names of keys before the deletions, after which pending deliveries end.
    """
    endpoint = client.post(
        "/v1/webhook_endpoints", json={"url": "http://127.0.0.1:9/", "event_types": ["video.completed"]}
    )
    assert endpoint.status_code == 200, endpoint.text
    headers = {"Idempotency-Key": "order-17"}
    first, again = (client.post("/v1/videos", json=BODY, headers=headers) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    batch = client.post("/v1/videos", json={**BODY, "n": 2, "priority": "low"}).json()
    video_id = first.json()["id"]
    events = client.get(f"/v1/videos/{video_id}/events").text
    assert "event: done" in events
    assert client.get(f"/v1/videos/{video_id}").json()["status"] == "completed"
    assert client.get(f"/v1/videos/{video_id}/content").status_code == 200
    for path in ("attempts", "deliveries"):
        assert client.get(f"/v1/videos/{video_id}/{path}").json()["data"]
    long = client.post("/v1/videos", json={**BODY, "prompt": "hang", "deadline": time.time() + 3600}).json()["id"]
    client.post(f"/v1/videos/{long}/cancel")
    wait_until(lambda: client.get(f"/v1/videos/{long}").json()["state"] == "cancelled")
    names = names_of(redis)
    assert client.delete(f"/v1/videos/{batch['id']}").status_code == 200
    assert client.delete("/v1/webhook_endpoints/" + endpoint.json()["id"]).status_code == 200
    for path in ("/readyz", "/metrics", "/v1/queue", "/v1/videos?status=failed"):
        assert client.get(path).status_code == 200
    return names
