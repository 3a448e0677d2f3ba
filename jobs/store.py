"""The store: what may happen to a job, by whom. Every transition is one atomic compare-and-set (`jobs/records.py`).

A running attempt's writes are fenced by its token: a worker that was given up cannot change anything any more. Every
method may raise QueueUnavailable when Redis does not answer.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis, WatchError
from redis.client import Pipeline

from jobs import attempts, bell, deadlines, queue, records, retention, turns
from jobs.attempts import Attempt, Ending, Outcome, read_attempts
from jobs.errors import JobNotFound, NotCancellable
from jobs.failure import Failure, failure
from jobs.idempotency import Claim, keep, video_of_another
from jobs.load import Load, measured, read_load
from jobs.outbox import add_webhook
from jobs.record import Job, Result
from jobs.redis_connection import answering
from jobs.segments import Segment
from jobs.states import Phase, State

MAX_ATTEMPTS = 3
PROGRESS_EVENT_EVERY_S = 0.5
SILENT = "Nothing was heard of the worker for longer than a lease."


@dataclass(frozen=True)
class Beat:
    """What a worker learns when it reports: whether the attempt is still its own, and whether it shall stop."""

    is_ours: bool
    cancel_requested: bool = False
    is_late: bool = False


class JobStore:
    """All jobs. `lease_s`: a worker that is silent for so long is given up."""

    def __init__(self, redis: Redis, *, lease_s: float = 15.0) -> None:
        self.redis = redis
        self.lease_s = lease_s

    def now(self) -> float:
        """Unix seconds by the clock of Redis, the one that all hosts share."""
        with answering():
            seconds, microseconds = self.redis.time()
        return seconds + microseconds / 1e6

    # ---- the front end

    def submit(self, job: Job) -> Job:
        """Accept a new job: record, list, place in the queue in one step. When this returns, the job is durable."""
        self.submit_all([job])
        return job

    def submit_all(self, jobs: Sequence[Job], claim: Claim | None = None) -> str | None:
        """Accept all of these jobs or none, and in the same step that they answer the request of the `claim`.

        What comes back is the video somebody else made of that request if the claim was lost: then none is accepted.
        Jobs that are there already stay as they are: they were accepted before, only the answer got lost. Raises
        IsInFlight.
        """
        places = [records.record_key(job.id) for job in jobs] + ([claim.asked.place] if claim else [])
        with answering(), self.redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(*places)  # type: ignore[no-untyped-call]
                    if claim and claim.may_be_lost and (found := video_of_another(pipe, claim)):
                        return found
                    new = [job for job in jobs if not pipe.exists(records.record_key(job.id))]
                    pipe.multi()
                    put_new(pipe, new, claim)
                    pipe.execute()
                except WatchError:
                    continue
                return None

    def get(self, job_id: str) -> Job:
        """The job with this id. Raises JobNotFound."""
        return records.read(self.redis, job_id)

    def get_owned(self, job_id: str, owner: str) -> Job:
        """The job with this id if it is this caller's; another's is as good as none. Raises JobNotFound."""
        job = self.get(job_id)
        if job.owner != owner:
            raise JobNotFound(f"there is no video {job_id!r}")
        return job

    def newest(self, owner: str, limit: int, after: str | None = None) -> list[Job]:
        """The caller's latest jobs, newest first; only those made before the job `after`. Raises JobNotFound."""
        index = records.index_key(owner)
        with answering(), self.redis.pipeline(transaction=False) as pipe:
            rank = cast(int | None, self.redis.zrevrank(index, after)) if after else -1
            if rank is None:
                raise JobNotFound(f"there is no video {after!r}")
            for job_id in cast(list[bytes], self.redis.zrevrange(index, rank + 1, rank + limit)):
                pipe.hgetall(records.record_key(job_id.decode()))
            return [Job.from_hash(fields) for fields in pipe.execute() if fields]

    def attempts(self, job_id: str) -> list[Attempt]:
        """Every attempt at this job, in order: by whom, what it took, how it ended."""
        return read_attempts(self.redis, job_id)

    def queue_position(self, job: Job) -> int | None:
        """How many jobs are before this one, or None if it does not wait."""
        with answering():
            return turns.position(self.redis, job)

    def load(self, model: str) -> Load:
        """How busy this model is."""
        with answering():
            return read_load(self.redis, model)

    def queue_depth(self, model: str) -> int:
        """How many jobs wait for this model."""
        with answering():
            return turns.depth(self.redis, model)

    def cancel(self, job_id: str) -> Job:
        """End a waiting job at once; ask a running one's worker to stop. Raises NotCancellable if it has ended."""
        started, now = time.monotonic(), self.now()

        def decide(job: Job) -> Job:
            if job.state.is_final:
                raise NotCancellable(f"{job_id} is already {job.state}")
            if job.state is State.QUEUED:
                took_ms = round(1000 * (time.monotonic() - started), 3)
                return _ended(job, State.CANCELLED, now, failure=failure("cancelled"), cancel_latency_ms=took_ms)
            return job.with_changes(cancel_requested=True, cancel_requested_at=job.cancel_requested_at or now)

        def extra(pipe: Pipeline, job: Job) -> None:
            bell.ring(pipe, job.token)

        return cast(Job, records.change(self.redis, job_id, decide, extra))

    def delete(self, job_id: str) -> None:
        """Forget a job. A running worker finds its attempt gone at its next report and stops. Raises JobNotFound."""
        job, now = self.get(job_id), self.now()
        with answering(), self.redis.pipeline(transaction=True) as pipe:
            records.erase(pipe, job)
            bell.ring(pipe, job.token)
            retention.plan_erased(pipe, job.id, now)
            pipe.execute()

    # ---- the worker

    def first_waiting(self, model: str) -> str | None:
        """The id of the job whose turn it is; None if none waits for this model."""
        with answering():
            return turns.first(self.redis, model)

    def lease(self, job_id: str, worker: str) -> Job | None:
        """Take a waiting job: what comes back carries the new attempt's token. None if it no longer waits."""
        now = self.now()

        def decide(job: Job) -> Job | None:
            if job.state is not State.QUEUED:
                return None
            if job.is_late(now):
                return _ended(job, State.EXPIRED, now, failure=failure("deadline_exceeded"))
            return job.with_changes(
                state=State.RUNNING,
                attempt=job.attempt + 1,
                token=secrets.token_hex(8),
                worker=worker,
                phase=Phase.LOADING,
                started_at=job.started_at or now,
            )

        def extra(pipe: Pipeline, job: Job) -> None:
            if job.state is State.RUNNING:
                pipe.zadd(records.LEASES, {job.id: now + self.lease_s})
                records.add_log(pipe, job.id, f"Attempt {job.attempt} begins on {job.worker}.")
                add_webhook(pipe, job, "video.started", now)

        job = self._change_if_there(job_id, decide, extra)
        return job if job and job.state is State.RUNNING else None

    def beat(self, job_id: str, token: str) -> Beat:
        """Renew the lease of a running attempt."""
        return self._report(job_id, token, {})

    def report(self, job_id: str, token: str, phase: Phase, step: int, total_steps: int) -> Beat:
        """Say how far a running attempt has come, which also renews its lease."""
        return self._report(job_id, token, {"phase": phase, "step": step, "total_steps": total_steps})

    def say(self, job_id: str, token: str, message: str, **facts: Any) -> bool:
        """Tell the caller a sentence about a running attempt, and keep `facts` (fields of `Attempt`) with its story.

        False if the attempt is no longer ours.
        """

        def extra(pipe: Pipeline, job: Job) -> None:
            if facts:
                attempts.note(pipe, job_id, **facts)

        return self._change_if_there(job_id, _if_held(token), extra, {"log": message}) is not None

    def show_preview(self, job_id: str, token: str, key: str, step: int, total_steps: int) -> bool:
        """Tell that a preview of a running attempt lies under this key. False if the attempt is no longer ours."""

        def decide(job: Job) -> Job | None:
            return job.with_changes(preview_key=key) if _is_held(job, token) else None

        told = {"preview": {"step": step, "total_steps": total_steps}}
        return self._change_if_there(job_id, decide, event=told) is not None

    def show_segment(self, job_id: str, token: str, number: int, segment: Segment) -> bool:
        """Tell that another segment of a running attempt can be watched. False if the attempt is no longer ours.

        They come in order from 0 on; those of an attempt before this one are replaced one by one.
        """

        def decide(job: Job) -> Job | None:
            if not _is_held(job, token) or number > len(job.segments):
                return None
            return job.with_changes(segments=(*job.segments[:number], segment, *job.segments[number + 1 :]))

        def extra(pipe: Pipeline, job: Job) -> None:
            if number + 1 == len(job.segments):
                seconds = sum(each.num_frames for each in job.segments) / job.request.fps
                records.add_log(pipe, job_id, f"{seconds:.4g} s of it can be watched.")

        return self._change_if_there(job_id, decide, extra) is not None

    def complete(self, job_id: str, token: str, result: Result) -> bool:
        """Commit a finished video. False if the attempt is no longer ours: the result must then be thrown away.

        Saying it again is harmless: if Redis committed but its answer got lost, the second try is told the truth.
        """
        if self._finish(job_id, token, State.COMPLETED, result.warnings, result=result):
            return True
        try:
            return self.get(job_id).result == result
        except JobNotFound:
            return False

    def fail(self, job_id: str, token: str, why: Failure) -> bool:
        """End a running attempt without a video. False if the attempt is no longer ours."""
        return self._finish(job_id, token, _STATE_OF.get(why.code, State.FAILED), failure=why)

    def give_back(self, job_id: str, token: str) -> bool:
        """Return a running job to the head of its queue at no cost to it. False if the attempt is no longer ours."""
        ending = Ending(outcome=Outcome.GIVEN_BACK)
        return self._requeue(job_id, token, ending, costs_attempt=False) is not None

    def retry(self, job_id: str, token: str, why: Failure | None = None) -> bool:
        """Return a running job to the head of its queue for another attempt. False if it is not ours any more."""
        ending = Ending(outcome=Outcome.RETRIED, why=why)
        return self._requeue(job_id, token, ending, costs_attempt=True) is not None

    # ---- the keeper

    def running(self) -> int:
        """How many jobs run."""
        with answering():
            return int(self.redis.zcard(records.LEASES))

    def overdue(self) -> list[str]:
        """Running jobs whose worker has not been heard of for longer than a lease."""
        now = self.now()
        with answering():
            return [job_id.decode() for job_id in cast(list[bytes], self.redis.zrangebyscore(records.LEASES, 0, now))]

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
            return job if self._finish(job_id, job.token, State.FAILED, ending=lost, failure=why) else None
        return self._requeue(job_id, job.token, lost, costs_attempt=True)

    def expire(self, job_id: str, record_for_s: float) -> bool:
        """Write down that an expired job's files are gone; its record goes `record_for_s` later. False if it went."""
        record_ends_at = self.now() + record_for_s

        def extra(pipe: Pipeline, job: Job) -> None:
            retention.plan_record(pipe, job, record_ends_at)

        return self._change_if_there(job_id, lambda job: job.with_changes(files_gone=True), extra) is not None

    def give_up_late(self) -> list[str]:
        """End the waiting jobs whose deadline has passed; their ids. Running ones are stopped by their workers."""
        now = self.now()

        def decide(job: Job) -> Job | None:
            if job.state is not State.QUEUED or not job.is_late(now):
                return None
            return _ended(job, State.EXPIRED, now, failure=failure("deadline_exceeded"))

        with answering():
            late = deadlines.passed(self.redis, now)
        return [job_id for job_id in late if self._change_if_there(job_id, decide)]

    def tend_queue(self, model: str) -> None:
        """See to it that the workers of this model hear of every job that waits."""
        with answering():
            queue.tend(self.redis, model)

    # ---- the pieces

    def _report(self, job_id: str, token: str, progress: dict[str, Any]) -> Beat:
        now = self.now()

        def decide(job: Job) -> Job | None:
            if not _is_held(job, token):
                return None
            is_due = bool(progress) and now - job.progress_event_at >= PROGRESS_EVENT_EVERY_S
            return job.with_changes(**progress, progress_event_at=now if is_due else job.progress_event_at)

        def extra(pipe: Pipeline, job: Job) -> None:
            pipe.zadd(records.LEASES, {job_id: now + self.lease_s})
            if job.progress_event_at == now:
                add_webhook(pipe, job, "video.progress", now)

        job = self._change_if_there(job_id, decide, extra, progress)
        return Beat(True, job.cancel_requested, job.is_late(now)) if job else Beat(is_ours=False)

    def _finish(
        self,
        job_id: str,
        token: str,
        state: State,
        warnings: tuple[str, ...] = (),
        ending: Ending | None = None,
        **result: Any,
    ) -> bool:
        now = self.now()

        def decide(job: Job) -> Job | None:
            if not _is_held(job, token):
                return None
            if state is State.CANCELLED and job.cancel_requested_at is not None:
                result["cancel_latency_ms"] = round(1000 * (now - job.cancel_requested_at), 1)
            return _ended(job, state, now, warnings=job.warnings + warnings, **result)

        def extra(pipe: Pipeline, job: Job) -> None:
            for warning in warnings:
                records.add_log(pipe, job_id, warning)
            if job.result is not None:
                measured(pipe, job, job.result)

        return self._change_if_there(job_id, decide, extra, ending=ending) is not None

    def _requeue(self, job_id: str, token: str, ending: Ending, *, costs_attempt: bool) -> Job | None:
        now = self.now()

        def decide(job: Job) -> Job | None:
            if not _is_held(job, token):
                return None
            if job.cancel_requested:  # nobody shall have to take it only to hear that
                latency_ms = round(1000 * (now - (job.cancel_requested_at or now)), 1)
                return _ended(job, State.CANCELLED, now, failure=failure("cancelled"), cancel_latency_ms=latency_ms)
            attempt = job.attempt if costs_attempt else job.attempt - 1
            fresh: dict[str, Any] = {"token": None, "worker": None, "phase": None, "step": 0}
            return job.with_changes(state=State.QUEUED, attempt=attempt, handover=job.handover + 1, **fresh)

        def extra(pipe: Pipeline, job: Job) -> None:
            if job.state.is_final:
                return
            pipe.zrem(records.LEASES, job.id)
            records.add_log(pipe, job.id, _said(ending))

        return self._change_if_there(job_id, decide, extra, ending=ending)

    def _change_if_there(
        self,
        job_id: str,
        decide: records.Change,
        extra: records.Extra | None = None,
        event: dict[str, Any] | None = None,
        ending: Ending | None = None,
    ) -> Job | None:
        try:
            return records.change(self.redis, job_id, decide, extra, event, ending)
        except JobNotFound:  # erased by its owner
            return None


def put_new(pipe: Pipeline, jobs: Sequence[Job], claim: Claim | None) -> None:
    """Add to `pipe` that these jobs are accepted, as the answer to the request of the `claim`."""
    for job in jobs:
        records.write_new(pipe, job)
        add_webhook(pipe, job, "video.queued", job.created_at)
    if claim:
        keep(pipe, claim)


_STATE_OF = {"cancelled": State.CANCELLED, "deadline_exceeded": State.EXPIRED}


def _said(ending: Ending) -> str:
    """How an attempt ended that another one follows, in a sentence."""
    if ending.outcome is Outcome.GIVEN_BACK:
        return "The worker has to go; the next one goes on."
    reason = ending.why.message if ending.why else "The worker asked for another attempt."
    return f"{reason} Another attempt follows."


def _if_held(token: str) -> records.Change:
    """No change, if the attempt is still this one's."""
    return lambda job: job if _is_held(job, token) else None


def _is_held(job: Job, token: str) -> bool:
    return job.state is State.RUNNING and job.token == token


def _ended(job: Job, state: State, now: float, **ending: Any) -> Job:
    expires_at = None if job.retention_s is None else now + job.retention_s
    after = {"token": None, "segments": (), "completed_at": now, "expires_at": expires_at}
    return job.with_changes(state=state, **after, **ending)
