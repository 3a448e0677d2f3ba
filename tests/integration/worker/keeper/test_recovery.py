"""The keeper queues jobs of lost workers again, and waits for an unavailable Redis."""

import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

import pytest
from redis import Redis

from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.states import State
from jobs.queue import tickets
from jobs.queue.registry import Registry
from tests.job_store import JobStore
from worker.keeper.__main__ import run_keeper
from worker.keeper.recovery import RecoverySweeper
from worker.keeper.unserved import UnservedModels
from worker.settings import KeeperSettings, WorkerSettings

Submit = Callable[..., Job]
MODEL = "easyanimate-v3-tiny"


def wait_until(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


# ---- jobs


@pytest.fixture
def sweeper(settings: WorkerSettings, redis: Redis) -> RecoverySweeper:
    keeper = KeeperSettings.model_validate({"redis_url": settings.redis_url, "data_dir": settings.data_dir})
    return RecoverySweeper(JobStore(redis, lease_s=0.05).table, keeper)


def test_a_job_with_an_expired_lease_is_queued_again(sweeper: RecoverySweeper, submit: Submit, redis: Redis) -> None:
    job = submit("a red ball")
    store = JobStore(redis, lease_s=0.05)
    store.lease(job.id, "w1")
    time.sleep(0.1)
    sweeper.sweep()
    assert store.first_waiting(MODEL) == job.id


def test_a_job_with_a_valid_lease_keeps_running(sweeper: RecoverySweeper, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball")
    store.lease(job.id, "w1")  # for fifteen seconds
    sweeper.sweep()
    assert store.get(job.id).state is State.RUNNING


def test_a_job_whose_ticket_was_lost_with_a_worker_gets_another(
    sweeper: RecoverySweeper, submit: Submit, redis: Redis, store: JobStore, card: ModelCard
) -> None:
    Registry(redis).announce(card, "w1")
    job = submit("a red ball")
    redis.lpop(tickets.tickets_key(MODEL))  # as a worker that dies
    for _ in range(2):
        sweeper.sweep()
    assert redis.llen(tickets.tickets_key(MODEL)) == 1
    assert store.first_waiting(MODEL) == job.id


def test_a_keeper_waits_for_an_unavailable_redis(settings: WorkerSettings, free_port: int) -> None:
    keeper = KeeperSettings.model_validate(
        {"redis_url": f"redis://127.0.0.1:{free_port}/0", "data_dir": settings.data_dir, "sweep_s": 0.01}
    )
    signals: SimpleQueue[int] = SimpleQueue()
    thread = Thread(target=run_keeper, args=[keeper, signals])
    thread.start()
    time.sleep(1)
    assert thread.is_alive()
    signals.put(15)
    thread.join(20)
    assert not thread.is_alive()


def test_a_model_without_a_worker_is_marked_as_unserved_after_a_while(redis: Redis, card: ModelCard) -> None:
    registry = Registry(redis)
    registry.announce(card, "w1")
    unhurried, immediate = UnservedModels(registry, after_s=1000), UnservedModels(registry, after_s=0)
    immediate.check(card.name)
    assert registry.unserved_since(card.name) is None
    registry.withdraw(card.name, "w1")
    unhurried.check(card.name)
    assert registry.unserved_since(card.name) is None
    immediate.check(card.name)
    assert registry.unserved_since(card.name) is not None
