"""A keeper asks a running job for its worker, and the job waits at the head of its priority, at no cost."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from jobs.model.job import Job, Preemption
from jobs.model.states import IdleReason, Phase, Priority, State
from jobs.queue import fair_queue, wakeup
from jobs.queue.workers import WorkerEntry
from jobs.redis import keys
from jobs.store.attempt_log import Outcome
from jobs.store.counters import read_counters
from jobs.store.keeper.preemption import MAX_PREEMPTIONS, Preemptions, choose_victim
from jobs.version import VERSION
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"
MakeJob = Callable[..., Job]


@pytest.fixture
def preemptions(store: JobStore) -> Preemptions:
    return Preemptions(store.table)


@pytest.fixture
def running(store: JobStore, make_job: MakeJob) -> Job:
    """A job of normal priority that a worker runs."""
    job = store.lease(store.submit(make_job()).id, "w")
    assert job is not None
    return job


@pytest.fixture
def urgent(store: JobStore, make_job: MakeJob, running: Job) -> Job:
    return store.submit(make_job(owner="urgent", priority=Priority.HIGH))


def preempted_for(store: JobStore, job: Job) -> str | None:
    return store.heartbeat(job.id, job.token or "").preempted_for


def test_the_worker_of_a_running_job_learns_of_the_urgent_one_at_once(
    store: JobStore, preemptions: Preemptions, running: Job, urgent: Job
) -> None:
    assert preempted_for(store, running) is None
    assert preemptions.request(urgent, running)
    assert wakeup.wait_for_wakeup(store.redis, running.token or "", 0.1)
    assert preempted_for(store, running) == urgent.id
    assert preemptions.pending() == {urgent.id: running.id}


def test_a_preempted_job_is_next_of_its_priority_at_no_cost(
    store: JobStore, make_job: MakeJob, running: Job, urgent: Job
) -> None:
    later = store.submit(make_job())
    assert store.preempt(running.id, running.token or "")
    job = store.get(running.id)
    assert (job.state, job.attempt, job.preemptions) == (State.QUEUED, 0, 1)
    assert [store.queue_position(each) for each in (urgent, job, later)] == [0, 1, 2]
    assert fair_queue.preempted(store.redis, MODEL) == 1
    [attempt] = store.attempts(job.id)
    assert attempt.outcome is Outcome.PREEMPTED
    assert read_counters(store.redis)["preemptions", MODEL, "normal"] == 1


def test_the_record_counts_preemptions_and_the_seconds_of_their_waits(store: JobStore, running: Job) -> None:
    start, now = store.now(), [0.0]
    store.table.now = lambda: start + now[0]  # type: ignore[method-assign]
    job: Job | None = running
    for number in (1, 2):
        assert job is not None
        assert store.preempt(job.id, job.token or "")
        now[0] += 10.0
        job = store.lease(job.id, "w")
        assert job is not None
        assert job.preemption is not None
        assert (job.preemption.count, job.preemption.waited_s) == (number, pytest.approx(10.0 * number))
        now[0] += 5.0
    assert not job.waits_after_preemption
    assert fair_queue.preempted(store.redis, MODEL) == 0


def test_a_wait_that_an_earlier_release_ended_is_not_counted_later(store: JobStore, running: Job) -> None:
    assert store.preempt(running.id, running.token or "")
    waiting = store.get(running.id)
    key = keys.record_key(running.id)
    store.redis.hset(key, mapping={"handover": b"2"})  # as after a lease and a release by one
    again = store.get(running.id)
    assert (waiting.waits_after_preemption, again.waits_after_preemption) == (True, False)
    job = store.lease(running.id, "w")
    assert job is not None
    assert job.preemption is not None
    assert (job.preemption.count, job.preemption.waited_s) == (1, 0.0)


def test_two_keepers_request_one_job_for_an_urgent_one(
    store: JobStore, preemptions: Preemptions, make_job: MakeJob, running: Job
) -> None:
    other = store.lease(store.submit(make_job()).id, "w2")
    assert other is not None
    urgent = store.submit(make_job(priority=Priority.HIGH))
    assert preemptions.request(urgent, running)
    assert not Preemptions(store.table).request(urgent, other)
    assert preempted_for(store, other) is None


def test_two_keepers_at_the_same_moment_request_one_job(
    store: JobStore, preemptions: Preemptions, make_job: MakeJob, running: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store.lease(store.submit(make_job()).id, "w2")
    assert other is not None
    urgent, rival, calls = store.submit(make_job(priority=Priority.HIGH)), Preemptions(store.table), []
    waits = preemptions._may_start

    def after_the_rival(job_id: str) -> bool:
        if not calls:
            calls.append(rival.request(urgent, other))
        return waits(job_id)

    monkeypatch.setattr(preemptions, "_may_start", after_the_rival)
    assert not preemptions.request(urgent, running)
    assert calls == [True]
    assert (preempted_for(store, running), preempted_for(store, other)) == (None, urgent.id)


@pytest.mark.parametrize("what", ["cancel", "delete", "lease", "pause"])
def test_a_request_is_withdrawn_when_the_urgent_job_waits_no_longer(
    store: JobStore, preemptions: Preemptions, running: Job, urgent: Job, what: str
) -> None:
    assert preemptions.request(urgent, running)
    if what == "pause":
        store.redis.hset(keys.paused_key(MODEL), "since", "1")
    elif what == "lease":
        assert store.lease(urgent.id, "another")
    else:
        getattr(store, what)(urgent.id)
    assert preemptions.withdraw_unneeded() == [running.id]
    assert (preempted_for(store, running), preemptions.pending()) == (None, {})
    assert not preemptions.request(urgent, running)


def test_a_request_for_a_job_that_cannot_be_read_any_more_is_withdrawn(
    store: JobStore, preemptions: Preemptions, running: Job, urgent: Job
) -> None:
    assert preemptions.request(urgent, running)
    store.redis.hset(keys.record_key(urgent.id), "request", "{")
    assert preemptions.withdraw_unneeded() == [running.id]
    assert (preempted_for(store, running), preemptions.pending()) == (None, {})
    assert store.redis.zrange(keys.UNREADABLE_KEY, 0, -1) == [f"job {urgent.id}".encode()]


def test_no_job_is_preempted_for_a_caller_at_its_limit_of_running_jobs(
    store: JobStore, preemptions: Preemptions, make_job: MakeJob, running: Job
) -> None:
    first, second = (
        store.submit(make_job(owner="urgent", priority=Priority.HIGH).evolve(running_limit=1)) for _ in range(2)
    )
    assert preemptions.request(first, running)
    assert store.lease(second.id, "another")
    assert preemptions.withdraw_unneeded() == [running.id]
    assert not preemptions.request(first, running)
    assert not store.workers.may_start(first.id, [MODEL])
    assert store.workers.may_start(store.submit(make_job()).id, [MODEL])


def test_a_request_ends_with_its_attempt(store: JobStore, preemptions: Preemptions, running: Job, urgent: Job) -> None:
    assert preemptions.request(urgent, running)
    store.redis.zadd(keys.LEASES_KEY, {running.id: 1.0})  # its worker is lost
    assert store.recover(running.id) is not None
    assert preemptions.withdraw_unneeded() == []
    assert preemptions.pending() == {}
    again = store.lease(running.id, "w2")
    assert again is not None
    assert preempted_for(store, again) is None
    assert again.preemptions == 0


def test_a_cancel_or_a_deletion_wins_over_a_preemption(
    store: JobStore, preemptions: Preemptions, make_job: MakeJob, running: Job, urgent: Job
) -> None:
    deleted = store.lease(store.submit(make_job()).id, "w2")
    assert deleted is not None
    assert preemptions.request(urgent, running)
    store.cancel(running.id)
    assert store.preempt(running.id, running.token or "")
    store.delete(deleted.id)
    assert not store.preempt(deleted.id, deleted.token or "")
    assert store.get(running.id).state is State.CANCELLED
    assert (store.first_waiting(MODEL), store.queue_depth(MODEL)) == (urgent.id, 1)
    assert not preemptions.request(urgent, running)


def test_only_jobs_of_a_lower_priority_are_preempted_at_most_three_times(
    preemptions: Preemptions, store: JobStore, running: Job, make_job: MakeJob
) -> None:
    for number in range(MAX_PREEMPTIONS + 1):
        urgent = store.submit(make_job(priority=Priority.HIGH))
        job = store.get(running.id)
        assert preemptions.request(urgent, job) == (number < MAX_PREEMPTIONS)
        if number < MAX_PREEMPTIONS:
            assert store.preempt(job.id, job.token or "")
            assert store.lease(job.id, "w") is not None


def entry(name: str, **changes: Any) -> WorkerEntry:
    values = {"name": name, "host": "h", "pid": 1, "version": VERSION, "started_at": 1.0, "models": (MODEL,)}
    return WorkerEntry.model_validate(values | {"loaded_models": (MODEL,)} | changes)


def of_worker(job: Job, name: str, **changes: Any) -> Job:
    return job.evolve(**{"state": State.RUNNING, "worker": name, "token": name, **changes})


def test_the_victim_has_the_lowest_priority_then_the_fewest_preemptions_and_came_last(make_job: MakeJob) -> None:
    urgent, entries = make_job(priority=Priority.HIGH), {name: entry(name) for name in "abc"}
    normal = of_worker(make_job(created_at=3.0), "c")
    early = of_worker(make_job(priority=Priority.LOW, created_at=1.0), "a")
    late = of_worker(make_job(priority=Priority.LOW, created_at=2.0), "b")
    preempted = late.evolve(preemption=Preemption(count=1))
    assert choose_victim(urgent, [normal, early, late], entries) == late
    assert choose_victim(urgent, [normal, early, preempted], entries) == early
    assert choose_victim(urgent, [normal, late.evolve(preemption=Preemption(count=MAX_PREEMPTIONS))], entries) == normal


@pytest.mark.parametrize(
    ("job_changes", "entry_changes"),
    [
        ({}, {"version": "0.1.0"}),
        ({}, {"reason": IdleReason.DRAINING}),
        ({}, {"models": ("another",)}),
        ({"cancel_requested": True}, {}),
        ({"phase": Phase.MUXING}, {}),
        ({"phase": Phase.UPLOADING}, {}),
        ({"worker": "unknown"}, {}),
        ({"priority": Priority.HIGH}, {}),
    ],
)
def test_jobs_that_cannot_stop_are_no_victims(
    make_job: MakeJob, job_changes: dict[str, Any], entry_changes: dict[str, Any]
) -> None:
    urgent, job = make_job(priority=Priority.HIGH), of_worker(make_job(), "w")
    assert choose_victim(urgent, [job], {"w": entry("w")}) == job
    assert choose_victim(urgent, [job.evolve(**job_changes)], {"w": entry("w", **entry_changes)}) is None


def test_a_worker_that_has_the_model_loaded_is_preferred(make_job: MakeJob) -> None:
    urgent = make_job(priority=Priority.HIGH)
    early, late = (of_worker(make_job(created_at=at), name) for at, name in ((1.0, "a"), (2.0, "b")))
    assert choose_victim(urgent, [early, late], {"a": entry("a"), "b": entry("b", loaded_models=())}) == early


def test_an_old_record_and_an_unknown_priority_are_read(redis: Redis, preemptions: Preemptions, running: Job) -> None:
    redis.hset(keys.record_key(running.id), "priority", '"urgent"')
    redis.zadd(keys.LEASES_KEY, {"gone": 1.0})
    jobs = preemptions.running()
    assert jobs.priorities[running.id].head_start == 0
    assert jobs.workers[running.id] == "w"
