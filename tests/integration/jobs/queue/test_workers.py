"""The directory of workers: what each does, which are lost, and how far a request to drain is."""

import pytest
from redis import Redis

from jobs.errors import WorkerNotFound
from jobs.model.model_card import ModelCard
from jobs.model.states import IdleReason
from jobs.queue.registry import Registry
from jobs.queue.wakeup import wait_for_wakeup, wake_worker
from jobs.queue.workers import (
    DRAIN_ANSWER_S,
    DrainState,
    WorkerDirectory,
    WorkerEntry,
    WorkerState,
    WorkerStatus,
)
from jobs.redis import keys


def entry(name: str = "gpu-1", **changes: object) -> WorkerEntry:
    values = {"name": name, "host": "gpu", "pid": 7, "version": "1", "started_at": 5.0, "models": ("m",)}
    return WorkerEntry.model_validate(values | changes)


@pytest.fixture
def directory(redis: Redis) -> WorkerDirectory:
    return WorkerDirectory(redis)


def expire(redis: Redis, name: str, since_s: float) -> None:
    redis.zadd(keys.WORKERS_EXPIRY_KEY, {name: redis.time()[0] - since_s})


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, WorkerState.IDLE),
        ({"job_id": "video_1"}, WorkerState.BUSY),
        ({"reason": IdleReason.DISK_FULL}, WorkerState.IDLE),
        ({"reason": IdleReason.DRAINING, "job_id": "video_1"}, WorkerState.DRAINING),
        ({"reason": "a reason of a newer release"}, WorkerState.IDLE),
    ],
)
def test_an_announced_worker_is_listed_with_its_state(
    directory: WorkerDirectory, changes: dict[str, object], state: WorkerState
) -> None:
    directory.announce(entry(**changes))
    [status] = directory.all()
    assert (status.name, status.entry, status.state, status.drain_state) == ("gpu-1", entry(**changes), state, None)


def test_a_worker_that_ends_in_order_leaves_the_list_and_a_lost_one_stays_for_an_hour(
    redis: Redis, directory: WorkerDirectory
) -> None:
    for name in "abc":
        directory.announce(entry(name))
    directory.withdraw("a")
    expire(redis, "b", 60)
    expire(redis, "c", 3600)
    assert [(status.name, status.state) for status in directory.all()] == [("b", WorkerState.LOST)]
    directory.announce(entry("d"))
    assert sorted(redis.hkeys(keys.WORKERS_KEY)) == [b"b", b"d"], "the entry of the oldest one is removed"


def test_a_request_to_drain_wakes_its_worker_once_and_shows_the_answer(
    redis: Redis, directory: WorkerDirectory
) -> None:
    directory.announce(entry())
    assert not directory.is_drain_requested("gpu-1")
    first = directory.request_drain("gpu-1")
    assert directory.request_drain("gpu-1").drain_requested_at == first.drain_requested_at
    assert (first.drain_state, directory.is_drain_requested("gpu-1")) == (DrainState.REQUESTED, True)
    assert wait_for_wakeup(redis, "gpu-1", 0.1)
    directory.announce(entry(reason=IdleReason.DRAINING))
    assert directory.request_drain("gpu-1").drain_state is DrainState.ACCEPTED
    directory.withdraw("gpu-1")
    assert directory.request_drain("gpu-1").drain_state is DrainState.ENDED
    assert directory.all() == []


def test_a_worker_that_does_not_answer_is_shown_as_such(redis: Redis, directory: WorkerDirectory) -> None:
    directory.announce(entry())
    directory.request_drain("gpu-1")
    redis.set(keys.drain_key("gpu-1"), redis.time()[0] - DRAIN_ANSWER_S - 1)
    assert directory.get("gpu-1").drain_state is DrainState.UNANSWERED
    redis.set(keys.drain_key("gpu-1"), redis.time()[0])
    expire(redis, "gpu-1", 1)
    lost = directory.get("gpu-1")
    assert (lost.state, lost.drain_state) == (WorkerState.LOST, DrainState.UNANSWERED)


def test_an_unknown_worker_is_refused(directory: WorkerDirectory) -> None:
    with pytest.raises(WorkerNotFound, match="gpu-9"):
        directory.request_drain("gpu-9")
    assert not directory.is_drain_requested("gpu-9")


def test_workers_of_other_releases_are_listed_beside_the_others(
    redis: Redis, directory: WorkerDirectory, card: ModelCard
) -> None:
    Registry(redis).announce(card, "without-an-entry")
    for name in ("newer", "broken", "gpu-1"):
        directory.announce(entry(name))
    redis.hset(keys.WORKERS_KEY, "newer", entry("newer").model_dump_json()[:-1] + ',"gpus":[{"index":0}]}')
    redis.hset(keys.WORKERS_KEY, "broken", b"\xff{")
    states = {status.name: status.state for status in directory.all()}
    assert states == {
        "broken": WorkerState.UNKNOWN,
        "gpu-1": WorkerState.IDLE,
        "newer": WorkerState.IDLE,
        "without-an-entry": WorkerState.UNKNOWN,
    }
    assert directory.request_drain("without-an-entry").drain_state is DrainState.REQUESTED


@pytest.mark.parametrize(
    ("waited_s", "state"), [(0.0, DrainState.REQUESTED), (15.0, DrainState.REQUESTED), (15.5, DrainState.UNANSWERED)]
)
def test_a_live_worker_has_15_seconds_to_begin_its_drain(waited_s: float, state: DrainState) -> None:
    status = WorkerStatus("gpu-1", 1000.0, 1020.0, entry(), drain_requested_at=1000.0 - waited_s)
    assert status.drain_state is state


def test_a_worker_announced_itself_30_seconds_before_it_counts_as_lost(
    redis: Redis, directory: WorkerDirectory
) -> None:
    before = redis.time()[0]
    directory.announce(entry())
    [status] = directory.all()
    assert status.announced_at is not None
    assert before <= status.announced_at <= redis.time()[0]
    assert status.expires_at == status.announced_at + 30
    assert WorkerStatus("gpu-1", 1000.0).announced_at is None


def test_a_worker_that_ends_leaves_in_one_transaction(redis: Redis, directory: WorkerDirectory) -> None:
    directory.announce(entry())
    before = redis.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"]  # type: ignore[union-attr]
    directory.withdraw("gpu-1")
    assert redis.info("commandstats")["cmdstat_exec"]["calls"] == before + 1  # type: ignore[index]


def test_a_signal_that_no_worker_reads_is_forgotten_after_ten_minutes(redis: Redis) -> None:
    with redis.pipeline() as pipe:
        wake_worker(pipe, "gone")
        pipe.execute()
    (key,) = redis.keys("*")  # type: ignore[misc]
    assert 0 < redis.pttl(key) <= 600_000  # type: ignore[operator]
    assert wait_for_wakeup(redis, "gone", 0.1)
    assert not wait_for_wakeup(redis, "gone", 0.01)
