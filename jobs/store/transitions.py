"""How a job's attempt ends or is handed on: what the callers, workers and keepers of the store have in common.

Every transition is one atomic compare-and-set (`jobs/store/records.py`).
"""

from typing import Any

from redis import Redis
from redis.client import Pipeline

from jobs.errors import JobNotFound
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.states import State
from jobs.queue.load import record_duration
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.store import records
from jobs.store.attempt_log import Ending, Outcome


class JobTable:
    """All jobs. `lease_s`: a worker that is silent for so long is given up."""

    def __init__(self, redis: Redis, *, lease_s: float = 15.0) -> None:
        self.redis = redis
        self.lease_s = lease_s

    def now(self) -> float:
        """Unix seconds by the clock of Redis, the one that all hosts share."""
        with redis_errors():
            seconds, microseconds = self.redis.time()
        return seconds + microseconds / 1e6

    def get(self, job_id: str) -> Job:
        """The job with this id. Raises JobNotFound."""
        return records.read(self.redis, job_id)

    def finish(
        self,
        job_id: str,
        token: str,
        state: State,
        warnings: tuple[str, ...] = (),
        ending: Ending | None = None,
        **result: Any,
    ) -> bool:
        """End a running attempt in this state. False if it is no longer ours."""
        now = self.now()

        def decide(job: Job) -> Job | None:
            if not is_held(job, token):
                return None
            if state is State.CANCELLED and job.cancel_requested_at is not None:
                result["cancel_latency_ms"] = round(1000 * (now - job.cancel_requested_at), 1)
            return with_final_state(job, state, now, warnings=job.warnings + warnings, **result)

        def extra(pipe: Pipeline, job: Job) -> None:
            for warning in warnings:
                records.add_log(pipe, job_id, warning)
            if job.result is not None:
                record_duration(pipe, job, job.result)

        return self.change_if_there(job_id, decide, extra, ending=ending) is not None

    def requeue(self, job_id: str, token: str, ending: Ending, *, costs_attempt: bool) -> Job | None:
        """Return a running job to the head of its queue. None if the attempt is no longer ours."""
        now = self.now()

        def decide(job: Job) -> Job | None:
            if not is_held(job, token):
                return None
            if job.cancel_requested:  # nobody shall have to take it only to hear that
                latency_ms = round(1000 * (now - (job.cancel_requested_at or now)), 1)
                return with_final_state(
                    job, State.CANCELLED, now, failure=failure("cancelled"), cancel_latency_ms=latency_ms
                )
            attempt = job.attempt if costs_attempt else job.attempt - 1
            fresh: dict[str, Any] = {"token": None, "worker": None, "phase": None, "step": 0}
            return job.evolve(state=State.QUEUED, attempt=attempt, handover=job.handover + 1, **fresh)

        def extra(pipe: Pipeline, job: Job) -> None:
            if job.state.is_final:
                return
            pipe.zrem(keys.LEASES_KEY, job.id)
            records.add_log(pipe, job.id, _said(ending))

        return self.change_if_there(job_id, decide, extra, ending=ending)

    def change_if_there(
        self,
        job_id: str,
        decide: records.Change,
        extra: records.Extra | None = None,
        event: dict[str, Any] | None = None,
        ending: Ending | None = None,
    ) -> Job | None:
        """As `records.change` does it; None too if its owner erased the job."""
        try:
            return records.update(self.redis, job_id, decide, extra, event, ending)
        except JobNotFound:  # erased by its owner
            return None


def is_held(job: Job, token: str) -> bool:
    """Whether the running attempt is the one with this token."""
    return job.state is State.RUNNING and job.token == token


def with_final_state(job: Job, state: State, now: float, **ending: Any) -> Job:
    """The job, in this final state from `now` on (unix seconds)."""
    expires_at = None if job.retention_s is None else now + job.retention_s
    after = {"token": None, "segments": (), "completed_at": now, "expires_at": expires_at}
    return job.evolve(state=state, **after, **ending)


def _said(ending: Ending) -> str:
    """How an attempt ended that another one follows, in a sentence."""
    if ending.outcome is Outcome.GIVEN_BACK:
        return "The worker has to go; the next one goes on."
    reason = ending.why.message if ending.why else "The worker asked for another attempt."
    return f"{reason} Another attempt follows."
