"""Recovers lost jobs, expires deadlines and files, and reconciles tickets, for keepers."""

from typing import cast

from redis.client import Pipeline

from jobs.errors import JobNotFound
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.states import State
from jobs.queue import fair_queue, tickets
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import SetAside, readable_names
from jobs.store.attempt_log import Ending, Outcome
from jobs.store.keeper import retention
from jobs.store.transitions import MAX_ATTEMPTS, JobTable, with_final_state

NO_HEARTBEAT = "The worker sent no heartbeat for longer than its lease."


class KeeperJobs:
    """The operations of keepers; they end the attempts of lost workers."""

    def __init__(self, table: JobTable) -> None:
        self.table = table
        self.unreadable = SetAside(table.redis, "job")  # jobs that this keeper cannot read

    def overdue(self) -> list[str]:
        """Ids of the running jobs whose lease has run out, without those that this keeper cannot read."""
        now = self.table.now()
        with redis_errors():
            ids = cast(list[bytes], self.table.redis.zrangebyscore(keys.LEASES_KEY, 0, now))
        return self.unreadable.others(readable_names(ids))

    def recover(self, job_id: str) -> Job | None:
        """Requeues an overdue job, or fails it after its last attempt. None if its lease is valid.

        Raises RecordUnreadable.
        """
        try:
            job = self.table.get(job_id)
        except JobNotFound:
            return None
        if job.token is None or job_id not in self.overdue():  # a late heartbeat, or another keeper was faster
            return None
        lost = Ending(outcome=Outcome.LOST, why=failure("worker_lost", NO_HEARTBEAT))
        if job.cancel_requested:
            is_done = self.table.finish(job_id, job.token, State.CANCELLED, failure=failure("cancelled"))
        elif job.is_late(self.table.now()):
            is_done = self.table.finish(job_id, job.token, State.EXPIRED, failure=failure("deadline_exceeded"))
        elif job.attempt >= MAX_ATTEMPTS:
            why = failure("worker_lost")
            is_done = self.table.finish(job_id, job.token, State.FAILED, ending=lost, failure=why)
        else:
            return self.table.requeue(job_id, job.token, lost, costs_attempt=True)
        return job if is_done else None

    def expire(self, job_id: str, record_for_s: float) -> bool:
        """Records that the files of a job are deleted, and plans the end of its record. False if it is deleted."""
        record_ends_at = self.table.now() + record_for_s

        def extra(pipe: Pipeline, job: Job) -> None:
            retention.plan_record(pipe, job, record_ends_at)

        return self.table.update_if_exists(job_id, lambda job: job.evolve(files_gone=True), extra) is not None

    def expire_late(self) -> list[str]:
        """Ends the waiting jobs whose deadline has passed; returns their ids. Workers stop the running ones.

        A job that cannot be read is set aside.
        """
        now = self.table.now()

        def decide(job: Job) -> Job | None:
            if job.state is not State.QUEUED or not job.is_late(now):
                return None
            return with_final_state(job, State.EXPIRED, now, failure=failure("deadline_exceeded"))

        with redis_errors():
            late = retention.passed_deadlines(self.table.redis, now)
        ended = []
        for job_id in self.unreadable.others(late):
            with self.unreadable.guard(job_id):
                ended += [job_id] if self.table.update_if_exists(job_id, decide) else []
        return ended

    def fail_retired(self, model: str) -> list[str]:
        """Ends the waiting jobs of a retired model; returns their ids. A job that cannot be read is set aside."""
        now = self.table.now()

        def decide(job: Job) -> Job | None:
            if job.state is not State.QUEUED or job.request.model != model:
                return None
            return with_final_state(job, State.FAILED, now, failure=failure("model_retired"))

        with redis_errors():
            waiting = fair_queue.waiting(self.table.redis, model)
        ended = []
        for job_id in self.unreadable.others(waiting):
            with self.unreadable.guard(job_id):
                ended += [job_id] if self.table.update_if_exists(job_id, decide) else []
        return ended

    def reconcile_tickets(self, model: str) -> None:
        """Makes the number of tickets of this model equal to the number of its waiting jobs."""
        with redis_errors():
            tickets.reconcile_tickets(self.table.redis, model)
