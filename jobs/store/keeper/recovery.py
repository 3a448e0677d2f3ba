"""What keepers do with jobs: notice what was lost, is late or has expired."""

from typing import cast

from redis.client import Pipeline

from jobs.errors import JobNotFound
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.states import State
from jobs.queue import tickets
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.store.attempt_log import Ending, Outcome
from jobs.store.callers.submission import CallerJobs
from jobs.store.keeper import retention
from jobs.store.leases import WorkerJobs
from jobs.store.transitions import with_final_state

MAX_ATTEMPTS = 3
SILENT = "Nothing was heard of the worker for longer than a lease."


class KeeperJobs(WorkerJobs):
    """The part of the store that keepers use; they end attempts in the place of workers that are lost."""

    def running(self) -> int:
        """How many jobs run."""
        with redis_errors():
            return int(self.redis.zcard(keys.LEASES_KEY))

    def overdue(self) -> list[str]:
        """Running jobs whose worker has not been heard of for longer than a lease."""
        now = self.now()
        with redis_errors():
            return [job_id.decode() for job_id in cast(list[bytes], self.redis.zrangebyscore(keys.LEASES_KEY, 0, now))]

    def recover(self, job_id: str) -> Job | None:
        """Send an overdue job back to the head of its queue, or fail it after its last attempt. None if it is fine."""
        try:
            job = self.get(job_id)
        except JobNotFound:
            return None
        if job.token is None or job_id not in self.overdue():  # it was heard of, or another keeper was faster
            return None
        if job.cancel_requested:
            return job if self.fail(job_id, job.token, failure("cancelled")) else None
        if job.is_late(self.now()):
            return job if self.fail(job_id, job.token, failure("deadline_exceeded")) else None
        lost = Ending(outcome=Outcome.LOST, why=failure("worker_lost", SILENT))
        if job.attempt >= MAX_ATTEMPTS:
            why = failure("worker_lost")
            return job if self.finish(job_id, job.token, State.FAILED, ending=lost, failure=why) else None
        return self.requeue(job_id, job.token, lost, costs_attempt=True)

    def expire(self, job_id: str, record_for_s: float) -> bool:
        """Write down that an expired job's files are gone; its record goes `record_for_s` later. False if it went."""
        record_ends_at = self.now() + record_for_s

        def extra(pipe: Pipeline, job: Job) -> None:
            retention.plan_record(pipe, job, record_ends_at)

        return self.change_if_there(job_id, lambda job: job.evolve(files_gone=True), extra) is not None

    def expire_late(self) -> list[str]:
        """End the waiting jobs whose deadline has passed; their ids. Running ones are stopped by their workers."""
        now = self.now()

        def decide(job: Job) -> Job | None:
            if job.state is not State.QUEUED or not job.is_late(now):
                return None
            return with_final_state(job, State.EXPIRED, now, failure=failure("deadline_exceeded"))

        with redis_errors():
            late = retention.passed_deadlines(self.redis, now)
        return [job_id for job_id in late if self.change_if_there(job_id, decide)]

    def reconcile_tickets(self, model: str) -> None:
        """See to it that the workers of this model hear of every job that waits."""
        with redis_errors():
            tickets.reconcile_tickets(self.redis, model)


class JobStore(CallerJobs, KeeperJobs):
    """All jobs, for everybody: what callers, workers and keepers do with them."""
