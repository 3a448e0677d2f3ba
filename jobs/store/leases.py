"""What workers do with jobs: take them, tell how far they are, end them or hand them back. All of it is fenced by the
attempt's token: a worker that was given up cannot change anything any more.
"""

import secrets
from dataclasses import dataclass
from typing import Any

from redis.client import Pipeline

from jobs.errors import JobNotFound
from jobs.model.failure import Failure, failure
from jobs.model.job import Job, Result
from jobs.model.result_files import Segment
from jobs.model.states import Phase, State
from jobs.queue import fair_queue
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.store import attempt_log, records
from jobs.store.attempt_log import Ending, Outcome
from jobs.store.transitions import JobTable, is_held, with_final_state
from jobs.webhooks.outbox import add_webhook

PROGRESS_EVENT_EVERY_S = 0.5
_STATE_OF = {"cancelled": State.CANCELLED, "deadline_exceeded": State.EXPIRED}


@dataclass(frozen=True)
class HeartbeatReply:
    """What a worker learns when it reports: whether the attempt is still its own, and whether it shall stop."""

    is_ours: bool
    cancel_requested: bool = False
    is_late: bool = False


class WorkerJobs(JobTable):
    """The part of the store that workers use."""

    def first_waiting(self, model: str) -> str | None:
        """The id of the job whose turn it is; None if none waits for this model."""
        with redis_errors():
            return fair_queue.peek(self.redis, model)

    def lease(self, job_id: str, worker: str) -> Job | None:
        """Take a waiting job: what comes back carries the new attempt's token. None if it no longer waits."""
        now = self.now()

        def decide(job: Job) -> Job | None:
            if job.state is not State.QUEUED:
                return None
            if job.is_late(now):
                return with_final_state(job, State.EXPIRED, now, failure=failure("deadline_exceeded"))
            return job.evolve(
                state=State.RUNNING,
                attempt=job.attempt + 1,
                token=secrets.token_hex(8),
                worker=worker,
                phase=Phase.LOADING,
                started_at=job.started_at or now,
            )

        def extra(pipe: Pipeline, job: Job) -> None:
            if job.state is State.RUNNING:
                pipe.zadd(keys.LEASES_KEY, {job.id: now + self.lease_s})
                records.add_log(pipe, job.id, f"Attempt {job.attempt} begins on {job.worker}.")
                add_webhook(pipe, job, "video.started", now)

        job = self.change_if_there(job_id, decide, extra)
        return job if job and job.state is State.RUNNING else None

    def heartbeat(self, job_id: str, token: str) -> HeartbeatReply:
        """Renew the lease of a running attempt."""
        return self._report(job_id, token, {})

    def report(self, job_id: str, token: str, phase: Phase, step: int, total_steps: int) -> HeartbeatReply:
        """Say how far a running attempt has come, which also renews its lease."""
        return self._report(job_id, token, {"phase": phase, "step": step, "total_steps": total_steps})

    def add_log(self, job_id: str, token: str, message: str, **facts: Any) -> bool:
        """Tell the caller a sentence about a running attempt, and keep `facts` (fields of `Attempt`) with its story.

        False if the attempt is no longer ours.
        """

        def extra(pipe: Pipeline, job: Job) -> None:
            if facts:
                attempt_log.append_line(pipe, job_id, **facts)

        return self.change_if_there(job_id, _if_held(token), extra, {"log": message}) is not None

    def record_preview(self, job_id: str, token: str, key: str, step: int, total_steps: int) -> bool:
        """Tell that a preview of a running attempt lies under this key. False if the attempt is no longer ours."""

        def decide(job: Job) -> Job | None:
            return job.evolve(preview_key=key) if is_held(job, token) else None

        told = {"preview": {"step": step, "total_steps": total_steps}}
        return self.change_if_there(job_id, decide, event=told) is not None

    def record_segment(self, job_id: str, token: str, number: int, segment: Segment) -> bool:
        """Tell that another segment of a running attempt can be watched. False if the attempt is no longer ours.

        They come in order from 0 on; those of an attempt before this one are replaced one by one.
        """

        def decide(job: Job) -> Job | None:
            if not is_held(job, token) or number > len(job.segments):
                return None
            return job.evolve(segments=(*job.segments[:number], segment, *job.segments[number + 1 :]))

        def extra(pipe: Pipeline, job: Job) -> None:
            if number + 1 == len(job.segments):
                seconds = sum(each.num_frames for each in job.segments) / job.request.fps
                records.add_log(pipe, job_id, f"{seconds:.4g} s of it can be watched.")

        return self.change_if_there(job_id, decide, extra) is not None

    def complete(self, job_id: str, token: str, result: Result) -> bool:
        """Commit a finished video. False if the attempt is no longer ours: the result must then be thrown away.

        Saying it again is harmless: if Redis committed but its answer got lost, the second try is told the truth.
        """
        if self.finish(job_id, token, State.COMPLETED, result.warnings, result=result):
            return True
        try:
            return self.get(job_id).result == result
        except JobNotFound:
            return False

    def fail(self, job_id: str, token: str, why: Failure) -> bool:
        """End a running attempt without a video. False if the attempt is no longer ours."""
        return self.finish(job_id, token, _STATE_OF.get(why.code, State.FAILED), failure=why)

    def release(self, job_id: str, token: str) -> bool:
        """Return a running job to the head of its queue at no cost to it. False if the attempt is no longer ours."""
        ending = Ending(outcome=Outcome.GIVEN_BACK)
        return self.requeue(job_id, token, ending, costs_attempt=False) is not None

    def retry(self, job_id: str, token: str, why: Failure | None = None) -> bool:
        """Return a running job to the head of its queue for another attempt. False if it is not ours any more."""
        ending = Ending(outcome=Outcome.RETRIED, why=why)
        return self.requeue(job_id, token, ending, costs_attempt=True) is not None

    def _report(self, job_id: str, token: str, progress: dict[str, Any]) -> HeartbeatReply:
        now = self.now()

        def decide(job: Job) -> Job | None:
            if not is_held(job, token):
                return None
            is_due = bool(progress) and now - job.progress_event_at >= PROGRESS_EVENT_EVERY_S
            return job.evolve(**progress, progress_event_at=now if is_due else job.progress_event_at)

        def extra(pipe: Pipeline, job: Job) -> None:
            pipe.zadd(keys.LEASES_KEY, {job_id: now + self.lease_s})
            if job.progress_event_at == now:
                add_webhook(pipe, job, "video.progress", now)

        job = self.change_if_there(job_id, decide, extra, progress)
        return HeartbeatReply(True, job.cancel_requested, job.is_late(now)) if job else HeartbeatReply(is_ours=False)


def _if_held(token: str) -> records.Change:
    """No change, if the attempt is still this one's."""
    return lambda job: job if is_held(job, token) else None
