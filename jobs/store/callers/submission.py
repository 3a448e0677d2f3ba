"""Submits, reads, cancels and deletes jobs for callers (asynchronous submission: `async_submission.py`)."""

import time
from collections.abc import Sequence
from typing import cast

from redis import WatchError
from redis.client import Pipeline

from jobs.access.idempotency import Claim, commit_claim, video_of_another
from jobs.errors import JobNotFound, NotCancellable
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.states import State
from jobs.queue import fair_queue, wakeup
from jobs.queue.load import Load, read_load
from jobs.redis import keys
from jobs.redis.connection import WatchRetries, redis_errors
from jobs.store import records
from jobs.store.attempt_log import Attempt, read_attempts
from jobs.store.keeper import retention
from jobs.store.transitions import JobTable, with_final_state
from jobs.webhooks.outbox import add_webhook


class CallerJobs(JobTable):
    """The part of the store that front ends use."""

    def submit(self, job: Job) -> Job:
        """Accept a new job: record, list, place in the queue in one step. When this returns, the job is durable."""
        self.submit_all([job])
        return job

    def submit_all(self, jobs: Sequence[Job], claim: Claim | None = None) -> str | None:
        """Accept all of these jobs or none, and in the same step that they answer the request of the `claim`.

        What comes back is the video somebody else made of that request if the claim was lost: then none is accepted.
        Jobs that are there already stay as they are: they were accepted before, only the answer got lost. Raises
        RequestInFlight.
        """
        places = [keys.record_key(job.id) for job in jobs] + ([claim.asked.redis_key] if claim else [])
        again = WatchRetries(self.redis)
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(*places)  # type: ignore[no-untyped-call]
                    if claim and claim.may_be_lost and (found := video_of_another(pipe, claim)):
                        return found
                    new = [job for job in jobs if not pipe.exists(keys.record_key(job.id))]
                    pipe.multi()
                    put_new(pipe, new, claim)
                    pipe.execute()
                except WatchError as lost:
                    again.after(lost)
                    continue
                return None

    def get_owned(self, job_id: str, owner: str) -> Job:
        """The job with this id if it is this caller's; another's is as good as none. Raises JobNotFound."""
        job = self.get(job_id)
        if job.owner != owner:
            raise JobNotFound(f"there is no video {job_id!r}")
        return job

    def newest(self, owner: str, limit: int, after: str | None = None) -> list[Job]:
        """The caller's latest jobs, newest first; only those made before the job `after`. Raises JobNotFound."""
        index = keys.index_key(owner)
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            rank = cast(int | None, self.redis.zrevrank(index, after)) if after else -1
            if rank is None:
                raise JobNotFound(f"there is no video {after!r}")
            for job_id in cast(list[bytes], self.redis.zrevrange(index, rank + 1, rank + limit)):
                pipe.hgetall(keys.record_key(job_id.decode()))
            return [Job.from_hash(fields) for fields in pipe.execute() if fields]

    def attempts(self, job_id: str) -> list[Attempt]:
        """Every attempt at this job, in order: by whom, what it took, how it ended."""
        return read_attempts(self.redis, job_id)

    def queue_position(self, job: Job) -> int | None:
        """How many jobs are before this one, or None if it does not wait."""
        with redis_errors():
            return fair_queue.position(self.redis, job)

    def load(self, model: str) -> Load:
        """How busy this model is."""
        with redis_errors():
            return read_load(self.redis, model)

    def queue_depth(self, model: str) -> int:
        """How many jobs wait for this model."""
        with redis_errors():
            return fair_queue.depth(self.redis, model)

    def cancel(self, job_id: str) -> Job:
        """End a waiting job at once; ask a running one's worker to stop. Raises NotCancellable if it has ended."""
        started, now = time.monotonic(), self.now()

        def decide(job: Job) -> Job:
            if job.state.is_final:
                raise NotCancellable(f"{job_id} is already {job.state}")
            if job.state is State.QUEUED:
                took_ms = round(1000 * (time.monotonic() - started), 3)
                return with_final_state(
                    job, State.CANCELLED, now, failure=failure("cancelled"), cancel_latency_ms=took_ms
                )
            return job.evolve(cancel_requested=True, cancel_requested_at=job.cancel_requested_at or now)

        def extra(pipe: Pipeline, job: Job) -> None:
            wakeup.wake_worker(pipe, job.token)

        return cast(Job, records.update(self.redis, job_id, decide, extra))

    def delete(self, job_id: str) -> None:
        """Forget a job. A running worker finds its attempt gone at its next report and stops. Raises JobNotFound."""
        job, now = self.get(job_id), self.now()
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            records.erase(pipe, job)
            wakeup.wake_worker(pipe, job.token)
            retention.plan_erased(pipe, job.id, now)
            pipe.execute()


def put_new(pipe: Pipeline, jobs: Sequence[Job], claim: Claim | None) -> None:
    """Add to `pipe` that these jobs are accepted, as the answer to the request of the `claim`."""
    for job in jobs:
        records.write_new(pipe, job)
        add_webhook(pipe, job, "video.queued", job.created_at)
    if claim:
        commit_claim(pipe, claim)
