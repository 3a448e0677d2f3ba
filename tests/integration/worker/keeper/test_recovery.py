"""The keeper queues jobs of lost workers again, and waits for an unavailable Redis."""

import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest
from redis import Redis
from structlog.testing import capture_logs

from cli.stack.redis_server import EmbeddedRedis
from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.model.states import State
from jobs.queue import tickets
from jobs.queue.registry import Registry
from jobs.redis.connection import connect
from tests.clock import Clock
from tests.job_store import JobStore
from worker.health import ProcessHealth
from worker.keeper.__main__ import run_keeper
from worker.keeper.recovery import RecoverySweeper
from worker.keeper.unserved import UnservedModels
from worker.settings import KeeperSettings, WorkerSettings

Submit = Callable[..., Job]
MODEL = "easyanimate-v3-tiny"


def wait_until(holds: Callable[[], bool], timeout_s: float = 240.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


# ---- jobs


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("worker.keeper.recovery.time", clock)
    return clock


LEASE_S, SWEEP_S = 8.0, 1.0
MAX_GAP_S = SWEEP_S + LEASE_S / 4


def keeper_of(settings: WorkerSettings, **changes: object) -> KeeperSettings:
    values = {"redis_url": settings.redis_url, "data_dir": settings.data_dir, "sweep_s": SWEEP_S}
    return KeeperSettings.model_validate(values | changes)


@pytest.fixture
def new_sweeper(settings: WorkerSettings, store: JobStore, clock: Clock) -> RecoverySweeper:
    """A sweeper that has not swept yet; leases take eight seconds."""
    assert clock.now
    return RecoverySweeper(store.table, keeper_of(settings))


@pytest.fixture
def sweeper(new_sweeper: RecoverySweeper, clock: Clock) -> RecoverySweeper:
    """A sweeper that has swept for the time of a lease."""
    sweep_until(new_sweeper, clock, clock.now + LEASE_S)
    return new_sweeper


def sweep_until(sweeper: RecoverySweeper, clock: Clock, end: float) -> None:
    """Sweeps now, every few seconds, and at `end`."""
    sweeper.sweep()
    while clock.now < end:
        clock.now = min(clock.now + SWEEP_S, end)
        sweeper.sweep()


@pytest.fixture
def lost_job(submit: Submit, redis: Redis) -> Callable[[], Job]:
    """Submits a job, leases it, and lets its lease expire."""

    def lost_job() -> Job:
        job = submit("a red ball")
        assert JobStore(redis, lease_s=-1.0).lease(job.id, "w1")
        return job

    return lost_job


def test_a_job_with_an_expired_lease_is_queued_again(
    sweeper: RecoverySweeper, lost_job: Callable[[], Job], store: JobStore
) -> None:
    job = lost_job()
    sweeper.sweep()
    assert store.first_waiting(MODEL) == job.id


def test_a_job_with_a_valid_lease_keeps_running(sweeper: RecoverySweeper, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball")
    store.lease(job.id, "w1")  # for eight seconds
    sweeper.sweep()
    assert store.get(job.id).state is State.RUNNING


def test_a_new_keeper_recovers_no_job_before_the_time_of_a_lease(
    new_sweeper: RecoverySweeper, clock: Clock, lost_job: Callable[[], Job], store: JobStore
) -> None:
    job = lost_job()
    sweep_until(new_sweeper, clock, clock.now + LEASE_S - 0.1)
    assert store.get(job.id).state is State.RUNNING
    clock.now += 0.1
    new_sweeper.sweep()
    assert store.get(job.id).state is State.QUEUED


@pytest.mark.parametrize(("gap_s", "state"), [(MAX_GAP_S, State.QUEUED), (MAX_GAP_S + 0.1, State.RUNNING)])
def test_after_a_gap_between_two_replies_of_redis_a_keeper_waits_for_a_lease(
    sweeper: RecoverySweeper, clock: Clock, lost_job: Callable[[], Job], store: JobStore, gap_s: float, state: State
) -> None:
    job = lost_job()
    clock.now += gap_s
    sweeper.sweep()
    assert store.get(job.id).state is state
    sweep_until(sweeper, clock, clock.now + LEASE_S - 0.1)
    assert store.get(job.id).state is state
    clock.now += 0.1
    sweeper.sweep()
    assert store.get(job.id).state is State.QUEUED


def test_after_a_step_of_the_clock_of_redis_a_keeper_waits_for_a_lease(
    sweeper: RecoverySweeper, clock: Clock, submit: Submit, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = store.lease(submit("a red ball").id, "w1")
    assert lease is not None
    now = store.table.now
    monkeypatch.setattr(store.table, "now", lambda: now() + 3600)
    assert store.overdue() == [lease.id]
    sweep_until(sweeper, clock, clock.now + LEASE_S / 2)
    assert store.get(lease.id).state is State.RUNNING
    assert store.heartbeat(lease.id, lease.token or "").is_held
    sweep_until(sweeper, clock, clock.now + LEASE_S)
    assert store.get(lease.id).state is State.RUNNING


def test_a_sweep_that_lasts_long_is_no_gap(
    sweeper: RecoverySweeper,
    clock: Clock,
    lost_job: Callable[[], Job],
    store: JobStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expire_late = sweeper.jobs.expire_late

    def expire_slowly() -> list[str]:
        clock.now += 2 * MAX_GAP_S
        return expire_late()

    monkeypatch.setattr(sweeper.jobs, "expire_late", expire_slowly)
    sweeper.sweep()
    job = lost_job()
    clock.now += SWEEP_S
    sweeper.sweep()
    assert store.get(job.id).state is State.QUEUED


def test_an_unreadable_record_does_not_stop_the_recovery_of_other_jobs(
    sweeper: RecoverySweeper, lost_job: Callable[[], Job], store: JobStore, redis: Redis
) -> None:
    damaged, job = lost_job(), lost_job()
    redis.hset(f"job:{damaged.id}", "request", "{")
    assert set(store.overdue()) == {damaged.id, job.id}
    sweeper.sweep()
    assert store.get(job.id).state is State.QUEUED


def test_a_keeper_without_recovery_expires_late_jobs(
    new_sweeper: RecoverySweeper, submit: Submit, store: JobStore, redis: Redis
) -> None:
    job = submit("a red ball")
    redis.hset(f"job:{job.id}", "deadline", "2.0")
    redis.zadd("jobs:deadlines", {job.id: 2.0})
    new_sweeper.sweep()
    assert store.get(job.id).state is State.EXPIRED


def test_an_outage_that_is_longer_than_a_lease_costs_no_attempt(
    settings: WorkerSettings, tmp_path: Path, make_request: Callable[..., VideoRequest], free_port: int
) -> None:
    lease_s = 1.5
    server = EmbeddedRedis(tmp_path / "redis", free_port).start()
    store = JobStore(connect(server.url, retries=0, timeout_s=60.0), lease_s=lease_s)
    held, lost = (
        store.submit(Job(id=f"video_{number}", owner="me", request=make_request("a"), created_at=store.now()))
        for number in range(2)
    )
    sweeper = RecoverySweeper(store.table, keeper_of(settings, sweep_s=0.1))
    try:
        sweeper.sweep()
        time.sleep(lease_s)
        sweeper.sweep()
        tokens = [(store.lease(job.id, "w") or job).token or "" for job in (held, lost)]
        server.stop()
        stopped_at = time.monotonic()
        with pytest.raises(QueueUnavailable):
            sweeper.sweep()
        time.sleep(max(0.0, 1.2 * lease_s - (time.monotonic() - stopped_at)))
        server.start()
        returned_at = time.monotonic()
        assert store.overdue() == [held.id, lost.id]
        sweeper.sweep()
        assert [store.get(job.id).state for job in (held, lost)] == [State.RUNNING] * 2
        time.sleep(lease_s / 2)
        while store.get(lost.id).state is State.RUNNING:
            assert store.heartbeat(held.id, tokens[0]).is_held
            sweeper.sweep()
            assert time.monotonic() < returned_at + 240
            time.sleep(0.05)
        ends = [(store.get(job.id).state, store.get(job.id).attempt) for job in (held, lost)]
        assert ends == [(State.RUNNING, 1), (State.QUEUED, 1)]
    finally:
        server.stop()


def test_a_started_keeper_recovers_a_lost_job_after_the_time_of_a_lease(
    settings: WorkerSettings, lost_job: Callable[[], Job], store: JobStore
) -> None:
    job, lease_s = lost_job(), 2.0
    signals: SimpleQueue[int] = SimpleQueue()
    thread = Thread(
        target=run_keeper, args=[keeper_of(settings, sweep_s=0.05, lease_s=lease_s), signals, ProcessHealth()]
    )
    started = time.monotonic()
    thread.start()
    try:
        wait_until(lambda: store.get(job.id).state is State.QUEUED)
        assert time.monotonic() - started >= lease_s
    finally:
        signals.put(15)
        thread.join(240)


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


def test_a_keeper_works_when_an_unavailable_redis_returns(
    settings: WorkerSettings, free_port: int, tmp_path: Path, make_request: Callable[..., VideoRequest]
) -> None:
    server = EmbeddedRedis(tmp_path / "redis", free_port)
    signals: SimpleQueue[int] = SimpleQueue()
    keeper = keeper_of(settings, redis_url=server.url, sweep_s=0.05, lease_s=1.0)
    health = ProcessHealth()
    thread = Thread(target=run_keeper, args=[keeper, signals, health])
    with capture_logs() as lines:
        thread.start()
        wait_until(health.started.is_set)
        assert health.faults() == []
        wait_until(lambda: "sweep.postponed" in [line["event"] for line in lines])
        server.start()
        try:
            store = JobStore(connect(server.url, retries=5), lease_s=1.0)
            job = store.submit(Job(id="video_1", owner="me", request=make_request("a"), created_at=store.now()))
            store.lease(job.id, "w")
            wait_until(lambda: store.get(job.id).state is State.QUEUED)
            signals.put(15)
            thread.join(240)
            assert not thread.is_alive()
            assert "the thread recovery has ended" in health.faults()
        finally:
            server.stop()


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
