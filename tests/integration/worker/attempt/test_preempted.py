"""A worker stops its job at the next step for an urgent one, runs that one, and resumes the first at the same step."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.model.states import Priority, State
from jobs.queue.pauses import Pauses
from jobs.queue.registry import Registry
from jobs.redis import keys
from jobs.storage.interface import Storage
from jobs.storage.paths import checkpoint_prefix
from jobs.store.attempt_log import Outcome
from jobs.store.keeper.preemption import Preemptions
from jobs.store.leases import WorkerJobs
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext
from worker.attempt.outcomes import Drained
from worker.drain import Drain

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]
MODEL = "easyanimate-v3-tiny"


@pytest.fixture
def submit_urgent(store: JobStore, make_request: Callable[..., VideoRequest]) -> Submit:
    """Submits a job of high priority."""

    def submit_urgent(prompt: str = "a red ball") -> Job:
        job = Job(id=new_job_id(), owner="me", request=make_request(prompt), created_at=store.now())
        return store.submit(job.evolve(priority=Priority.HIGH))

    return submit_urgent


@pytest.fixture
def preempt(store: JobStore, submit_urgent: Submit) -> Callable[[Job], Job]:
    """Submits an urgent job and asks this one for its worker."""

    def preempt(job: Job) -> Job:
        urgent = submit_urgent()
        assert Preemptions(store.table).request(urgent, store.get(job.id))
        return urgent

    return preempt


def has_a_step(store: JobStore, job: Job) -> Callable[[], bool]:
    return lambda: store.get(job.id).step >= 1


def test_the_urgent_job_runs_next_and_the_first_one_resumes_at_its_step(
    worker: Any, submit: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile
) -> None:
    job, urgent = submit("patient"), list[Job]()
    meanwhile(has_a_step(store, job), lambda: urgent.append(preempt(job)))
    worker.run_one()  # also the urgent job
    assert store.get(urgent[0].id).state is State.COMPLETED
    waiting = store.get(job.id)
    assert (waiting.state, waiting.attempt, waiting.preemptions) == (State.QUEUED, 0, 1)
    worker.run_one()
    done = store.get(job.id)
    assert (done.state, done.attempt, done.preemptions) == (State.COMPLETED, 1, 1)
    assert done.preemption is not None
    assert done.preemption.waited_s > 0
    first, second = store.attempts(job.id)
    assert (first.outcome, second.outcome) == (Outcome.PREEMPTED, Outcome.COMPLETED)
    assert second.resumed_step == first.step + 1  # the step that it made before it stopped


def test_another_host_resumes_a_preempted_job(
    worker: Any,
    submit: Submit,
    store: JobStore,
    storage: Storage,
    preempt: Callable[[Job], Job],
    meanwhile: Meanwhile,
    context: WorkerContext,
    tmp_path: Any,
) -> None:
    job = submit("patient")
    meanwhile(has_a_step(store, job), lambda: preempt(job))
    worker.run_one()
    assert "0/checkpoint.json" in {
        file.key.removeprefix(checkpoint_prefix(job.id)) for file in storage.list(checkpoint_prefix(job.id))
    }
    worker.use(settings=context.settings.model_copy(update={"spool_dir": tmp_path / "elsewhere"}))
    worker.run_one()
    assert store.get(job.id).state is State.COMPLETED
    assert (store.attempts(job.id)[-1].resumed_step or 0) >= 2


@pytest.mark.parametrize("what", ["cancel", "delete"])
def test_a_job_that_is_withdrawn_while_it_stops_ends_and_the_worker_goes_on(
    worker: Any, submit: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile, what: str
) -> None:
    job, urgent = submit("steady"), list[Job]()

    def preempt_and_withdraw() -> None:
        urgent.append(preempt(job))
        getattr(store, what)(job.id)

    meanwhile(has_a_step(store, job), preempt_and_withdraw)
    worker.run_one()
    if store.queue_depth(MODEL):  # it had not stopped yet
        worker.run_one()
    assert store.get(urgent[0].id).state is State.COMPLETED
    assert (store.queue_depth(MODEL), store.running()) == (0, 0)
    if what == "cancel":
        assert store.get(job.id).state is State.CANCELLED


def test_a_job_resumes_at_once_if_the_urgent_one_is_cancelled(
    worker: Any, submit: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile
) -> None:
    job = submit("steady")
    meanwhile(has_a_step(store, job), lambda: store.cancel(preempt(job).id))
    worker.run_one()  # the keeper has not withdrawn the request
    worker.run_one()
    assert (store.get(job.id).state, store.queue_depth(MODEL)) == (State.COMPLETED, 0)


def test_a_request_that_is_withdrawn_costs_no_attempt(
    worker: Any, submit: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile, gate: Path
) -> None:
    job = submit(f"a red ball until {gate}")

    def preempt_and_withdraw() -> None:
        store.cancel(preempt(job).id)
        Preemptions(store.table).withdraw_unneeded()  # none if the worker was faster
        gate.touch()

    meanwhile(lambda: store.get(job.id).state is State.RUNNING, preempt_and_withdraw)
    worker.run_one()
    done = store.get(job.id)
    if not done.state.is_final:  # it stopped before the request was withdrawn
        worker.run_one()
        done = store.get(job.id)
    assert (done.state, done.attempt, store.queue_depth(MODEL)) == (State.COMPLETED, 1, 0)


def test_a_paused_queue_keeps_both_jobs(
    worker: Any, submit: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile, card: Any
) -> None:
    Registry(store.redis).announce(card, "w")
    job = submit("steady")

    def preempt_and_pause() -> None:
        preempt(job)
        Pauses(store.redis).pause(MODEL)

    meanwhile(has_a_step(store, job), preempt_and_pause)
    worker.run_one()
    assert (store.get(job.id).state, store.running(), store.queue_depth(MODEL)) == (State.QUEUED, 0, 2)
    assert store.get(job.id).attempt == 0


def test_a_worker_that_drains_releases_the_job_and_leases_no_other(
    worker: Any,
    submit: Submit,
    store: JobStore,
    preempt: Callable[[Job], Job],
    meanwhile: Meanwhile,
) -> None:
    worker.use(drain=Drain(600.0))
    job, urgent = submit("patient"), list[Job]()  # it would stop for the urgent job

    def drain_and_preempt() -> None:
        worker.context.drain.begin()
        urgent.append(preempt(job))
        time.sleep(3 * worker.context.settings.beat_s)  # so that the worker has received it
        worker.context.drain.begin()  # ends the grace period

    meanwhile(has_a_step(store, job), drain_and_preempt)
    worker.run_one()
    assert (store.get(job.id).state, store.get(job.id).attempt) == (State.QUEUED, 0)
    assert store.get(urgent[0].id).state is State.QUEUED
    assert [attempt.outcome for attempt in store.attempts(job.id)] == [Outcome.RELEASED]


@pytest.fixture
def in_the_swap(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Does something after a preempted job has stopped, before the worker returns it."""
    preempt = WorkerJobs.preempt

    def in_the_swap(do: Callable[[], object]) -> None:
        def preempt_later(self: WorkerJobs, job_id: str, token: str) -> bool:
            do()
            return preempt(self, job_id, token)

        monkeypatch.setattr(WorkerJobs, "preempt", preempt_later)

    return in_the_swap


def test_a_drain_that_begins_in_the_swap_leaves_both_jobs_to_others(
    worker: Any, submit: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile, in_the_swap: Any
) -> None:
    job, urgent = submit("patient"), list[Job]()
    in_the_swap(lambda: worker.context.drain.begin())
    meanwhile(has_a_step(store, job), lambda: urgent.append(preempt(job)))
    worker.run_one()
    jobs = store.get(urgent[0].id), store.get(job.id)
    assert [(each.state, each.attempt, store.queue_position(each)) for each in jobs] == [
        (State.QUEUED, 0, 0),
        (State.QUEUED, 0, 1),
    ]
    with pytest.raises(Drained):
        worker.run_one()


def test_a_lease_that_is_lost_in_the_swap_is_not_returned_twice(
    worker: Any, submit: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile, in_the_swap: Any
) -> None:
    job, urgent = submit("patient"), list[Job]()

    def lose() -> None:
        store.redis.zadd(keys.LEASES_KEY, {job.id: 1.0})
        while store.recover(job.id) is None:  # a heartbeat has renewed it
            store.redis.zadd(keys.LEASES_KEY, {job.id: 1.0})

    in_the_swap(lose)
    meanwhile(has_a_step(store, job), lambda: urgent.append(preempt(job)))
    worker.run_one()
    assert store.get(urgent[0].id).state is State.COMPLETED
    waiting = store.get(job.id)
    assert (waiting.state, waiting.attempt, waiting.preemptions) == (State.QUEUED, 1, 0)
    worker.run_one()
    assert store.get(job.id).state is State.COMPLETED
    assert [attempt.outcome for attempt in store.attempts(job.id)] == [Outcome.LOST, Outcome.COMPLETED]


def test_a_caller_that_reaches_its_limit_in_the_swap_waits_and_the_stopped_job_goes_on(
    worker: Any, submit: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile, in_the_swap: Any
) -> None:
    job, urgent = submit("patient"), list[Job]()

    def reach_limit() -> None:
        store.redis.hset(keys.record_key(urgent[0].id), "running_limit", b"1")
        store.redis.sadd(keys.owner_running_key("me"), "another")

    in_the_swap(reach_limit)
    meanwhile(has_a_step(store, job), lambda: urgent.append(preempt(job)))
    worker.run_one()
    assert store.get(urgent[0].id).state is State.QUEUED
    worker.run_one()
    assert (store.get(job.id).state, store.get(urgent[0].id).state) == (State.COMPLETED, State.QUEUED)


@pytest.fixture
def submit_equal(store: JobStore, make_request: Callable[..., VideoRequest]) -> Submit:
    """Submits a job that shares its run with those of the same work."""

    def submit_equal(work: str = "long", prompt: str = "patient", priority: Priority = Priority.NORMAL) -> Job:
        job = Job(id=new_job_id(), owner="me", request=make_request(prompt), created_at=store.now(), shared_key=work)
        return store.submit(job.evolve(priority=priority))

    return submit_equal


@pytest.mark.parametrize("what", ["cancel", "delete"])
def test_an_equal_job_continues_a_run_that_is_withdrawn_in_the_swap(
    worker: Any,
    submit_equal: Submit,
    store: JobStore,
    storage: Storage,
    preempt: Callable[[Job], Job],
    meanwhile: Meanwhile,
    in_the_swap: Any,
    what: str,
) -> None:
    first, equal, urgent = submit_equal(), submit_equal(), list[Job]()
    in_the_swap(lambda: getattr(store, what)(first.id))
    meanwhile(has_a_step(store, first), lambda: urgent.append(preempt(first)))
    worker.run_one()
    assert (store.get(urgent[0].id).state, store.get(equal.id).state) == (State.COMPLETED, State.QUEUED)
    worker.run_one()
    assert [attempt.resumed_step for attempt in store.attempts(equal.id)] == [2]  # the steps of the stopped run
    assert (store.get(equal.id).state, store.queue_depth(MODEL), store.running()) == (State.COMPLETED, 0, 0)
    if what == "cancel":
        assert store.get(first.id).state is State.CANCELLED
    assert list(storage.list(checkpoint_prefix(equal.id))) == []


@pytest.mark.parametrize("what", ["cancel", "deadline"])
def test_an_equal_job_continues_a_run_that_ends_while_it_waits_after_the_swap(
    worker: Any,
    submit_equal: Submit,
    store: JobStore,
    preempt: Callable[[Job], Job],
    meanwhile: Meanwhile,
    context: WorkerContext,
    tmp_path: Any,
    what: str,
) -> None:
    first, equal = submit_equal(), submit_equal()
    meanwhile(has_a_step(store, first), lambda: preempt(first))
    worker.run_one()
    if what == "cancel":
        store.cancel(first.id)
    else:
        store.table.update_if_exists(first.id, lambda job: job.evolve(deadline=1.0))
    worker.use(settings=context.settings.model_copy(update={"spool_dir": tmp_path / "another host"}))
    worker.run_one()
    assert store.get(first.id).state is (State.CANCELLED if what == "cancel" else State.EXPIRED)
    (attempt,) = store.attempts(equal.id)
    assert (attempt.outcome, attempt.resumed_step) == (Outcome.COMPLETED, 2)
    assert store.get(equal.id).attempt == 1


def test_a_job_that_is_requested_after_the_end_of_a_stopped_run_starts_at_its_first_step(
    worker: Any, submit_equal: Submit, store: JobStore, preempt: Callable[[Job], Job], meanwhile: Meanwhile
) -> None:
    first = submit_equal()
    meanwhile(has_a_step(store, first), lambda: preempt(first))
    worker.run_one()
    store.cancel(first.id)
    later = submit_equal(prompt="a red ball")
    worker.run_one()
    assert [attempt.resumed_step for attempt in store.attempts(later.id)] == [None]


def test_equal_jobs_share_the_run_that_resumes_and_that_of_the_urgent_job(
    worker: Any, submit_equal: Submit, store: JobStore, meanwhile: Meanwhile
) -> None:
    jobs = [submit_equal() for _ in range(2)]
    urgent = list[Job]()

    def preempt() -> None:
        urgent.extend(submit_equal("urgent", "a red ball", Priority.HIGH) for _ in range(2))
        assert Preemptions(store.table).request(urgent[0], store.get(jobs[0].id))

    meanwhile(has_a_step(store, jobs[0]), preempt)
    worker.run_one()
    assert [store.get(job.id).state for job in urgent] == [State.COMPLETED] * 2
    assert [store.get(job.id).state for job in jobs] == [State.QUEUED] * 2
    worker.run_one()
    results = [store.get(job.id).result for job in (*jobs, *urgent)]
    assert [result and result.shared_with for result in results] == [None, jobs[0].id, None, urgent[0].id]
    assert (store.attempts(jobs[0].id)[-1].resumed_step or 0) >= 1


def test_no_worker_is_asked_for_a_job_whose_work_runs_elsewhere(
    submit: Submit, store: JobStore, make_request: Callable[..., VideoRequest]
) -> None:
    running = submit("steady")
    assert store.lease(running.id, "a")
    equal = [
        store.submit(
            Job(
                id=new_job_id(),
                owner="me",
                request=make_request("brief"),
                created_at=store.now(),
                shared_key="work",
                priority=Priority.HIGH,
            )
        )
        for _ in range(2)
    ]
    preemptions = Preemptions(store.table)
    assert preemptions.request(equal[0], store.get(running.id))
    assert store.lease(equal[1].id, "b")
    assert preemptions.withdraw_unneeded() == [running.id]
    assert not preemptions.request(equal[0], store.get(running.id))
