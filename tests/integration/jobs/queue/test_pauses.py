"""A paused queue accepts jobs and starts none, until it is resumed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from jobs.errors import ModelNotFound
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.states import State
from jobs.queue.pauses import Pauses, StoredPause
from jobs.queue.registry import Registry
from jobs.queue.tickets import tickets_key
from jobs.redis.keys import paused_key
from tests.job_store import JobStore
from worker.keeper.unserved import UnservedModels

MODEL = "easyanimate-v3-tiny"
MakeJob = Callable[..., Job]


@pytest.fixture
def registry(redis: Redis, card: ModelCard) -> Registry:
    """The registry with one worker of the small model."""
    registry = Registry(redis)
    registry.announce(card, "worker-1")
    return registry


@pytest.fixture
def pauses(registry: Registry) -> Pauses:
    return registry.pauses


def test_a_paused_queue_accepts_jobs_and_starts_none_until_it_is_resumed(
    store: JobStore, make_job: MakeJob, pauses: Pauses
) -> None:
    running = store.submit(make_job())
    attempt = store.lease(running.id, "w")
    assert attempt is not None
    pauses.pause(MODEL)
    job = store.submit(make_job())
    assert (store.first_waiting(MODEL), store.lease(job.id, "w")) == (None, None)
    assert store.heartbeat(running.id, attempt.token or "").is_held, "a running job goes on"
    assert store.release(running.id, attempt.token or "")
    assert store.first_waiting(MODEL) is None, "a job that came back waits"
    assert store.queue_depth(MODEL) == 2
    assert pauses.resume(MODEL)
    assert store.first_waiting(MODEL) == running.id


def test_a_pause_and_a_lease_at_once_have_one_order(store: JobStore, make_job: MakeJob, pauses: Pauses) -> None:
    """No job starts after the pause was acknowledged."""

    def pause() -> bool:
        pauses.pause(MODEL)
        return store.get(job.id).state is State.RUNNING

    with ThreadPoolExecutor(2) as pool:
        for _ in range(40):
            job = store.submit(make_job())
            was_running, attempt = pool.submit(pause), pool.submit(store.lease, job.id, "w")
            assert (attempt.result() is not None) == was_running.result()
            pauses.resume(MODEL)


def test_a_repeated_pause_keeps_its_time_and_has_the_new_reason(redis: Redis, pauses: Pauses) -> None:
    pauses.pause(MODEL, "an update")
    redis.hset(paused_key(MODEL), "since", "1000")
    pauses.pause(MODEL, "a longer update")
    assert pauses.get(MODEL) == StoredPause(since=1000, reason="a longer update")
    assert [pauses.resume(MODEL), pauses.resume(MODEL)] == [True, False]
    assert pauses.get(MODEL) is None


def test_an_unknown_model_is_refused(pauses: Pauses) -> None:
    for change in (pauses.pause, pauses.resume):
        with pytest.raises(ModelNotFound):
            change("sora-2")
    assert pauses.of(["sora-2"]) == set()


@pytest.mark.parametrize("value", [{"since": "soon"}, {"since": "1", "until": "2"}, {b"\xff": b"\xff"}])
def test_a_pause_of_another_release_is_a_pause(redis: Redis, pauses: Pauses, value: dict[str, str]) -> None:
    redis.hset(paused_key(MODEL), mapping=value)
    assert pauses.get(MODEL) is not None
    assert pauses.of([MODEL, "another"]) == {MODEL}


def test_a_pause_is_the_reason_whatever_the_workers_do(registry: Registry, pauses: Pauses) -> None:
    pauses.pause(MODEL)
    assert registry.idle_reason(MODEL) == "paused"
    registry.withdraw(MODEL, "worker-1")
    assert registry.idle_reason(MODEL) == "paused"
    pauses.resume(MODEL)
    assert registry.idle_reason(MODEL) == "no_worker"


def test_the_keeper_does_not_call_a_paused_model_unserved(registry: Registry, pauses: Pauses) -> None:
    keeper = UnservedModels(registry, after_s=0.0)
    registry.withdraw(MODEL, "worker-1")
    keeper.check(MODEL)
    assert registry.unserved_since(MODEL) is not None
    pauses.pause(MODEL)
    assert registry.unserved_since(MODEL) is None
    keeper.check(MODEL)
    assert not registry.mark_unserved(MODEL, 60)
    assert registry.unserved_since(MODEL) is None
    pauses.resume(MODEL)
    keeper.check(MODEL)
    assert registry.unserved_since(MODEL) is not None


def test_a_resumed_queue_has_a_ticket_for_each_waiting_job(
    redis: Redis, store: JobStore, make_job: MakeJob, pauses: Pauses
) -> None:
    pauses.pause(MODEL)
    for _ in range(3):
        store.submit(make_job())
    redis.delete(tickets_key(MODEL))  # a worker took them just before the pause
    pauses.resume(MODEL)
    assert redis.llen(tickets_key(MODEL)) == 3


def test_a_retired_model_is_not_paused_when_a_worker_brings_it_back(
    registry: Registry, pauses: Pauses, card: ModelCard
) -> None:
    pauses.pause(MODEL)
    registry.withdraw(MODEL, "worker-1")
    assert registry.retire(MODEL) == 0
    registry.announce(card, "worker-2")
    assert registry.idle_reason(MODEL) is None


def test_a_pause_of_another_type_pauses_without_details_and_can_be_resumed(redis: Redis, pauses: Pauses) -> None:
    redis.set(paused_key(MODEL), "1")
    assert (pauses.is_paused(MODEL), pauses.get(MODEL)) == (True, StoredPause())
    assert pauses.resume(MODEL)
    assert pauses.get(MODEL) is None
