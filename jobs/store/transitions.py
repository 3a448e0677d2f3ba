"""The table of jobs: reads and the transitions that workers and keepers share.

Each transition is one atomic compare-and-set (`jobs/store/records.py`).
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from redis import Redis
from redis.client import Pipeline

from jobs.errors import JobNotFound
from jobs.model.failure import failure
from jobs.model.job import Job, Preemption
from jobs.model.states import State
from jobs.queue import fair_queue
from jobs.queue.load import Load, load_command, record_duration
from jobs.queue.run_times import record_run_time
from jobs.redis import keys
from jobs.redis.connection import DEFAULT_LEASE_S, redis_errors
from jobs.store import records
from jobs.store.attempt_log import Ending, Outcome

MAX_ATTEMPTS = 3


class JobTable:
    """All jobs in Redis. A worker that sends no heartbeat for `lease_s` seconds loses its job."""

    def __init__(self, redis: Redis, *, lease_s: float = DEFAULT_LEASE_S) -> None:
        self.redis = redis
        self.lease_s = lease_s

    def now(self) -> float:
        """Unix seconds by the clock of Redis, which all hosts share."""
        with redis_errors():
            seconds, microseconds = self.redis.time()
        return seconds + microseconds / 1e6

    def get(self, job_id: str) -> Job:
        """The job with this id. Raises JobNotFound."""
        return records.read(self.redis, job_id)

    def running(self) -> int:
        """Number of running jobs."""
        with redis_errors():
            return int(self.redis.zcard(keys.LEASES_KEY))

    def expired_leases(self) -> int:
        """Number of running jobs whose lease has expired, and that no keeper has recovered yet."""
        now = self.now()
        with redis_errors():
            return int(self.redis.zcount(keys.LEASES_KEY, "-inf", now))

    def load(self, model: str) -> Load:
        """Waiting and running jobs and workers of this model, and the measured times."""
        with redis_errors():
            return Load.parsed(cast(list[Any], self.redis.eval(*load_command(model))))

    def queue_depth(self, model: str) -> int:
        """Number of jobs that wait for this model."""
        with redis_errors():
            return fair_queue.depth(self.redis, model)

    def finish(
        self,
        job_id: str,
        token: str,
        state: State,
        warnings: tuple[str, ...] = (),
        ending: Ending | None = None,
        **result: Any,
    ) -> bool:
        """Ends a running attempt and its job in this final state. False if the token no longer holds the job."""
        now = self.now()

        def decide(job: Job) -> Job:
            if state is State.CANCELLED and job.cancel_requested_at is not None:
                result["cancel_latency_ms"] = round(1000 * (now - job.cancel_requested_at), 1)
            return with_final_state(job, state, now, warnings=job.warnings + warnings, **result)

        def extra(pipe: Pipeline, job: Job) -> None:
            for warning in warnings:
                records.add_log(pipe, job_id, warning)
            if job.result is not None and job.result.is_whole_run:
                record_duration(pipe, job, job.result)
                record_run_time(pipe, job, job.result)

        return self.update_held(job_id, token, decide, extra, ending=ending) is not None

    def requeue(self, job_id: str, token: str, ending: Ending, *, costs_attempt: bool) -> Job | None:
        """Returns a running job to the head of its queue, a preempted one to that of its priority.

        None if the token no longer holds the job.
        """
        now = self.now()

        def decide(job: Job) -> Job:
            if job.cancel_requested:  # no other worker needs to lease it
                latency_ms = round(1000 * (now - (job.cancel_requested_at or now)), 1)
                return as_cancelled(job, now, latency_ms)
            attempt, handover = job.attempt if costs_attempt else job.attempt - 1, job.handover + 1
            changes: dict[str, Any] = {"token": None, "worker": None, "phase": None, "step": 0}
            changes |= {"preemption_request": None, "attempt": attempt, "handover": handover}
            if ending.outcome is Outcome.PREEMPTED:
                changes["preemption"] = (job.preemption or Preemption()).begun(now, handover)
            return job.evolve(state=State.QUEUED, **changes)

        def extra(pipe: Pipeline, job: Job) -> None:
            if job.state.is_final:
                return
            pipe.zrem(keys.LEASES_KEY, job.id)
            records.add_log(pipe, job.id, _log_message(ending))

        return self.update_held(job_id, token, decide, extra, ending=ending)

    def update_held(
        self, job_id: str, token: str, decide: records.Change, extra: records.Extra | None = None, **options: Any
    ) -> Job | None:
        """Updates the record of the running attempt with this token; returns None if the token no longer holds it."""
        return self.update_if_exists(job_id, lambda job: decide(job) if is_held(job, token) else None, extra, **options)

    def update_if_exists(
        self,
        job_id: str,
        decide: records.Change,
        extra: records.Extra | None = None,
        event: dict[str, Any] | None = None,
        ending: Ending | None = None,
        depends_on: Callable[[Job], Sequence[str]] | None = None,
    ) -> Job | None:
        """Updates a record like `records.update`; returns None as well if the owner deleted the job."""
        try:
            return records.update(self.redis, job_id, decide, extra, event, ending, depends_on)
        except JobNotFound:
            return None


def is_held(job: Job, token: str) -> bool:
    """Whether the running attempt is the one with this token."""
    return job.state is State.RUNNING and job.token == token


def with_final_state(job: Job, state: State, now: float, **ending: Any) -> Job:
    """The job in this final state since `now` (unix seconds)."""
    expires_at = None if job.retention_s is None else now + job.retention_s
    after = {"token": None, "segments": (), "completed_at": now, "expires_at": expires_at}
    return job.evolve(state=state, **after, **ending)


def as_cancelled(job: Job, now: float, latency_ms: float) -> Job:
    """The job, cancelled at `now` (unix seconds), this long after the request to cancel it."""
    return with_final_state(job, State.CANCELLED, now, failure=failure("cancelled"), cancel_latency_ms=latency_ms)


def _log_message(ending: Ending) -> str:
    """The sentence for the caller about an attempt that another one follows."""
    if ending.outcome is Outcome.RELEASED:
        return "The worker shuts down; another worker continues."
    if ending.outcome is Outcome.PREEMPTED:
        return "A video of higher priority goes first; this one continues after it, from the same step."
    reason = ending.why.message if ending.why else "The worker returned the job."
    return f"{reason} Another attempt follows."
