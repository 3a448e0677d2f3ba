"""Any order of operations on jobs: the store agrees with a simple model."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from jobs.errors import JobNotFound, NotCancellable
from jobs.model.delivery import Delivery
from jobs.model.failure import failure
from jobs.model.job import Job, Result
from jobs.model.request import WEBHOOK_EVENTS
from jobs.model.states import Phase, State
from jobs.redis import keys
from jobs.store.transitions import MAX_ATTEMPTS
from tests.job_store import JobStore
from tests.small_result import small_result

MODEL = "easyanimate-v3-tiny"
FINAL_EVENTS = {"video.completed", "video.failed", "video.cancelled"}


@dataclass
class Expected:
    """The expected state of one job."""

    state: State = State.QUEUED
    attempt: int = 0
    token: str | None = None
    cancel_requested: bool = False
    committed: str | None = None
    stale: set[str] = field(default_factory=set)


class JobsAgainstModel(RuleBasedStateMachine):
    """Rules use any job and any token ever issued, so most of them come too late."""

    redis: ClassVar[Redis]
    make_job: ClassVar[Callable[..., Job]]
    ids = Bundle("ids")
    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.store = JobStore(self.redis)
        self.jobs: dict[str, Expected] = {}

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(target=ids)
    def submit(self) -> str:
        job = self.store.submit(self.make_job(webhook={"url": "https://h.example/", "events": WEBHOOK_EVENTS}))
        self.jobs[job.id] = Expected()
        return job.id

    @rule(target=tokens)
    def lease_the_next_job(self) -> object:
        """A worker leases the next job."""
        job_id = self.store.first_waiting(MODEL)
        return multiple() if job_id is None else self._lease(job_id)

    @rule(job_id=ids)
    def lease_a_job_that_does_not_wait(self, job_id: str) -> None:
        """A second worker is too slow."""
        if self._state(job_id) is not State.QUEUED:
            assert self.store.lease(job_id, "late") is None

    @rule(held=tokens, step=st.integers(0, 10))
    def report(self, held: tuple[str, str], step: int) -> None:
        reply = self.store.report(*held, Phase.DENOISING, step, 10)
        assert reply.is_held == self._is_held(held)
        if reply.is_held:
            assert reply.cancel_requested == self.jobs[held[0]].cancel_requested

    @rule(held=tokens)
    def complete(self, held: tuple[str, str]) -> None:
        job = self.jobs.get(held[0])
        was_committed = job is not None and job.committed == held[1]
        done = self.store.complete(*held, self._result(held[1]))
        assert done == (self._is_held(held) or was_committed)
        if job is not None and self._is_held(held):
            job.committed = held[1]
        self._end(held, State.COMPLETED)

    @rule(held=tokens)
    def fail(self, held: tuple[str, str]) -> None:
        assert self.store.fail(*held, failure("internal_error")) == self._is_held(held)
        self._end(held, State.FAILED)

    @rule(held=tokens)
    def stop_cancelled(self, held: tuple[str, str]) -> None:
        assert self.store.fail(*held, failure("cancelled")) == self._is_held(held)
        self._end(held, State.CANCELLED)

    @rule(held=tokens)
    def release(self, held: tuple[str, str]) -> None:
        assert self.store.release(*held) == self._is_held(held)
        self._requeue(held, cost=0)

    @rule(held=tokens)
    def retry(self, held: tuple[str, str]) -> None:
        """A worker retries only while an attempt is left."""
        if self._is_held(held) and self.jobs[held[0]].attempt >= MAX_ATTEMPTS:
            return
        assert self.store.retry(*held) == self._is_held(held)
        self._requeue(held, cost=1)

    @rule(job_id=ids)
    def cancel(self, job_id: str) -> None:
        job = self.jobs.get(job_id)
        try:
            self.store.cancel(job_id)
        except NotCancellable:
            assert job is not None
            assert job.state.is_final
        except JobNotFound:
            assert job is None
        else:
            assert job is not None
            if job.state is State.QUEUED:
                job.state = State.CANCELLED
            else:
                job.cancel_requested = True

    @rule(job_id=ids)
    def delete(self, job_id: str) -> None:
        if job_id in self.jobs:
            self.store.delete(job_id)
            del self.jobs[job_id]

    @rule(job_id=ids)
    def lose_the_worker(self, job_id: str) -> None:
        """The lease runs out, and two keepers recover the job."""
        job = self.jobs.get(job_id)
        if job is None or job.token is None:
            return
        self.redis.zadd(keys.LEASES_KEY, {job_id: 1.0})
        held = (job_id, job.token)
        for _ in range(2):
            self.store.recover(job_id)
        if job.cancel_requested:
            self._end(held, State.CANCELLED)
        elif job.attempt >= MAX_ATTEMPTS:
            self._end(held, State.FAILED)
        else:
            self._requeue(held, cost=1)

    @invariant()
    def every_record_is_as_expected(self) -> None:
        for job_id, job in self.jobs.items():
            stored = self.store.get(job_id)
            assert (stored.state, stored.attempt, stored.token) == (job.state, job.attempt, job.token)
            assert stored.attempt <= MAX_ATTEMPTS
            assert (stored.result is not None) == (job.state is State.COMPLETED)
            assert (stored.failure is not None) == (job.state in (State.FAILED, State.CANCELLED))

    @invariant()
    def exactly_the_waiting_jobs_are_in_the_queue(self) -> None:
        ids = [job_id.decode() for key in keys.waiting_keys(MODEL) for job_id in self.redis.zrange(key, 0, -1)]  # type: ignore[union-attr]
        assert sorted(ids) == sorted(i for i, job in self.jobs.items() if job.state is State.QUEUED)

    @invariant()
    def exactly_the_running_jobs_have_a_lease(self) -> None:
        leases = {job_id.decode() for job_id in self.redis.zrange(keys.LEASES_KEY, 0, -1)}  # type: ignore[union-attr]
        assert leases == {i for i, job in self.jobs.items() if job.state is State.RUNNING}

    @invariant()
    def exactly_the_ended_jobs_have_their_final_webhook_and_only_one(self) -> None:
        rows = [Delivery.from_hash(self.redis.hgetall(key)) for key in self.redis.keys("delivery:*")]  # type: ignore[union-attr,arg-type]
        final = [row.job_id for row in rows if row.type in FINAL_EVENTS]
        assert len(final) == len(set(final))
        ended = {job_id for job_id, job in self.jobs.items() if job.state.is_final}
        assert ended == set(final) & self.jobs.keys()

    def _lease(self, job_id: str) -> object:
        job = self.store.lease(job_id, "w")
        assert job is not None
        assert job.token is not None
        expected = self.jobs[job_id]
        expected.state, expected.attempt, expected.token = State.RUNNING, expected.attempt + 1, job.token
        assert job.token not in expected.stale
        return (job_id, job.token)

    def _state(self, job_id: str) -> State | None:
        return self.jobs[job_id].state if job_id in self.jobs else None

    def _is_held(self, held: tuple[str, str]) -> bool:
        return held[0] in self.jobs and self.jobs[held[0]].token == held[1]

    def _end(self, held: tuple[str, str], state: State) -> None:
        if self._is_held(held):
            job = self.jobs[held[0]]
            job.state, job.token = state, None
            job.stale.add(held[1])

    def _requeue(self, held: tuple[str, str], cost: int) -> None:
        """A job with a request to cancel is not queued again."""
        if self._is_held(held) and self.jobs[held[0]].cancel_requested:
            self._end(held, State.CANCELLED)
        elif self._is_held(held):
            job = self.jobs[held[0]]
            job.state, job.token, job.attempt = State.QUEUED, None, job.attempt - 1 + cost
            job.stale.add(held[1])

    @staticmethod
    def _result(token: str) -> Result:
        return small_result(token)


def test_the_store_agrees_with_a_simple_model(redis: Redis, make_job: Callable[..., Job]) -> None:
    run_state_machine_as_test(
        type("Bound", (JobsAgainstModel,), {"redis": redis, "make_job": staticmethod(make_job)}),
        settings=settings(
            max_examples=25, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
