"""Submits, updates, cancels and deletes jobs for callers.

`async_submission.py` writes the usual submit, and `reader.py` reads.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from redis import WatchError
from redis.client import Pipeline

from jobs.access.idempotency import Claim, commit_claim, video_of_another
from jobs.errors import JobNotFound, JobNotWaiting, NotCancellable, RecordUnreadable
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.states import State
from jobs.queue import wakeup
from jobs.redis import keys
from jobs.redis.connection import WatchRetries, redis_errors
from jobs.redis.unreadable import reads_hash, report_unreadable
from jobs.store import records
from jobs.store.keeper import retention
from jobs.store.transitions import JobTable, as_cancelled, with_final_state
from jobs.webhooks.outbox import add_webhook


class CallerJobs:
    """The operations of callers."""

    def __init__(self, table: JobTable) -> None:
        self.table = table

    def submit_all(self, jobs: Sequence[Job], claim: Claim | None = None) -> str | None:
        """Writes all of these jobs and the result of the `claim` in one step. They survive what Redis survives.

        Returns the id of the other request's video if the claim was lost; then no job is written. Jobs that exist
        already stay unchanged: an earlier try wrote them, and only the reply was lost. Raises RequestInFlight, and
        RecordUnreadable for a key of another type: call `withdraw` then.
        """
        watched = [keys.record_key(job.id) for job in jobs] + ([claim.idempotency_key.redis_key] if claim else [])
        retries = WatchRetries(self.table.redis)
        with redis_errors(), self.table.redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(*watched)  # type: ignore[no-untyped-call]
                    if claim and claim.may_be_lost and (video_id := video_of_another(pipe, claim)):
                        return video_id
                    new = [job for job in jobs if not pipe.exists(keys.record_key(job.id))]
                    pipe.multi()
                    put_new(pipe, new, claim)
                    pipe.execute()
                except WatchError as conflict:
                    retries.after(conflict)
                    continue
                return None

    def withdraw(self, jobs: Sequence[Job]) -> None:
        """Removes what a refused submit has written: Redis executes a transaction past a key of another type."""
        for job in jobs:
            with redis_errors(), self.table.redis.pipeline(transaction=True) as pipe:
                records.erase_unreadable(pipe, job.owner, job.id, job.created_at, job.request.model)
                pipe.execute(raise_on_error=False)

    def get_owned(self, job_id: str, owner: str) -> Job:
        """The job with this id if this caller owns it. Raises JobNotFound, RecordUnreadable."""
        try:
            job = self.table.get(job_id)
        except RecordUnreadable as error:
            with redis_errors():
                is_owned = self.table.redis.zscore(keys.index_key(owner), job_id) is not None
            if not is_owned:
                raise JobNotFound(f"there is no video {job_id!r}") from error
            report_unreadable(self.table.redis, "job", job_id, error)
            raise RecordUnreadable.named(job_id) from error
        if job.owner != owner:
            raise JobNotFound(f"there is no video {job_id!r}")
        return job

    def cancel(self, job_id: str) -> Job:
        """Ends a waiting job at once; requests the worker of a running job to stop. Raises NotCancellable."""
        started, now = time.monotonic(), self.table.now()

        def decide(job: Job) -> Job:
            if job.state.is_final:
                raise NotCancellable(f"{job_id} is already {job.state}")
            if job.state is State.QUEUED:
                latency_ms = round(1000 * (time.monotonic() - started), 3)
                return as_cancelled(job, now, latency_ms)
            return job.evolve(cancel_requested=True, cancel_requested_at=job.cancel_requested_at or now)

        def extra(pipe: Pipeline, job: Job) -> None:
            wakeup.wake_worker(pipe, job.token)

        return cast(Job, records.update(self.table.redis, job_id, decide, extra))

    def update_waiting(self, job_id: str, change: Callable[[Job, float], Job]) -> Job:
        """Replaces a waiting job by `change(job, now)`, with `now` in unix seconds; the same job changes nothing.

        A job whose deadline has passed ends with it. Raises JobNotWaiting, JobNotFound, and what `change` raises.
        """
        now = self.table.now()

        def decide(job: Job) -> Job:
            if job.state is not State.QUEUED:
                raise JobNotWaiting(f"the video is {job.state}; only a waiting one can be updated")
            if job.is_late(now):
                return with_final_state(job, State.EXPIRED, now, failure=failure("deadline_exceeded"))
            return change(job, now)

        job = cast(Job, records.update(self.table.redis, job_id, decide))
        if job.state is not State.QUEUED:
            raise JobNotWaiting("the deadline of the video has passed; only a waiting one can be updated")
        return job

    def delete_owned(self, job_id: str, owner: str) -> None:
        """Deletes a job of this caller, also one whose record cannot be read. Raises JobNotFound."""
        try:
            self.delete(self.get_owned(job_id, owner).id)
        except RecordUnreadable:
            self._delete_unreadable(job_id, owner)

    def _delete_unreadable(self, job_id: str, owner: str) -> None:
        redis, now = self.table.redis, self.table.now()
        with redis_errors():
            created_at = redis.zscore(keys.index_key(owner), job_id)
        if created_at is None:
            raise JobNotFound(f"there is no video {job_id!r}")
        request, token = (self._raw_field(job_id, name) for name in ("request", "token"))
        model = request.get("model") if isinstance(request, dict) else None
        with redis_errors(), redis.pipeline(transaction=True) as pipe:
            records.erase_unreadable(pipe, owner, job_id, float(created_at), model if isinstance(model, str) else None)
            wakeup.wake_worker(pipe, token if isinstance(token, str) else None)
            retention.plan_erased(pipe, job_id, now)
            pipe.execute()

    def _raw_field(self, job_id: str, name: str) -> Any:
        """The value of one field of a record, or None if it cannot be read."""
        try:
            with redis_errors(), reads_hash():
                return json.loads(cast(bytes | None, self.table.redis.hget(keys.record_key(job_id), name)) or b"null")
        except (ValueError, RecordUnreadable):
            return None

    def delete(self, job_id: str) -> None:
        """Deletes a job. A running worker loses its attempt at its next report and stops. Raises JobNotFound."""
        job, now = self.table.get(job_id), self.table.now()
        with redis_errors(), self.table.redis.pipeline(transaction=True) as pipe:
            records.erase(pipe, job)
            wakeup.wake_worker(pipe, job.token)
            retention.plan_erased(pipe, job.id, now)
            pipe.execute()


def put_new(pipe: Pipeline, jobs: Sequence[Job], claim: Claim | None) -> None:
    """Adds to `pipe` the records of new jobs, and that they are the result of the `claim`."""
    for job in jobs:
        records.write_new(pipe, job)
        add_webhook(pipe, job, "video.queued", job.created_at)
    if claim:
        commit_claim(pipe, claim)
