"""Leases of running jobs: how workers take jobs, report progress, finish them or return them.

Each change is fenced by the token of the attempt: a worker that lost its lease cannot change the job.
"""

import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, cast

from redis.client import Pipeline

from jobs.access import usage
from jobs.errors import JobNotFound, RecordUnreadable
from jobs.model.failure import Failure, failure
from jobs.model.job import Job, Result
from jobs.model.result_files import Segment
from jobs.model.states import Phase, State
from jobs.queue import fair_queue
from jobs.queue.pauses import Pauses
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import report_unreadable
from jobs.store import attempt_log, records, shared_runs
from jobs.store.attempt_log import Ending, Outcome, StreamRows
from jobs.store.event_log import add_first_event
from jobs.store.transitions import JobTable, with_final_state
from jobs.webhooks.outbox import add_webhook

PROGRESS_EVENT_EVERY_S = 0.5
_STATE_OF = {"cancelled": State.CANCELLED, "deadline_exceeded": State.EXPIRED}


@dataclass(frozen=True)
class HeartbeatReply:
    """The reply to a heartbeat: whether the attempt still holds the lease, and whether it must stop.

    `preempted_for` is the waiting job to which it is asked to give its worker.
    """

    is_held: bool
    cancel_requested: bool = False
    is_late: bool = False
    preempted_for: str | None = None


class WorkerJobs:
    """The operations of workers. Those that return False did nothing: the token no longer holds the job."""

    def __init__(self, table: JobTable) -> None:
        self.table = table
        self.pauses = Pauses(table.redis)

    def first_waiting(self, model: str, excluded: Collection[str] = ()) -> str | None:
        """The id of the next job of this model that is not in `excluded`; None if none waits or the queue is paused."""
        if self.pauses.is_paused(model):
            return None
        with redis_errors():
            return fair_queue.peek(self.table.redis, model, excluded)

    def leave_waiting(self, job: Job, worker: str, reason: str) -> None:
        """Reports a waiting job that this worker cannot run, to its owner and to the operator, once a day."""
        error = RecordUnreadable(f"{worker} leaves it to a worker of a newer release: {reason}")
        if not report_unreadable(self.table.redis, "newer_job", job.id, error):
            return
        with redis_errors(), self.table.redis.pipeline(transaction=True) as pipe:
            add_first_event(pipe, keys.events_key(job.id), {"state": State.QUEUED}, job.created_at)
            records.add_log(pipe, job.id, f"A worker leaves the job to a newer one: {reason}.")
            pipe.publish(keys.change_channel(job.id), job.version)
            pipe.execute()

    def lease(self, job_id: str, worker: str) -> Job | None:
        """Leases a waiting job; the returned job has the token of the new attempt.

        None if it no longer waits, if its queue is paused, or while another job of the same work runs.
        """
        now = self.table.now()

        def decide(job: Job) -> Job | None:
            if job.state is not State.QUEUED:
                return None
            if job.is_late(now):
                return with_final_state(job, State.EXPIRED, now, failure=failure("deadline_exceeded"))
            if self.pauses.is_paused(job.request.model) or shared_runs.is_run_of_another(self.table.redis, job):
                return None
            return job.evolve(
                state=State.RUNNING,
                attempt=job.attempt + 1,
                token=secrets.token_hex(8),
                worker=worker,
                phase=Phase.LOADING,
                started_at=job.started_at or now,
                preemption=job.preemption and job.preemption.ended(now, job.handover),
                handover=shared_runs.handover_of_lease(self.table.redis, job),
            )

        def extra(pipe: Pipeline, job: Job) -> None:
            if job.state is State.RUNNING:
                pipe.zadd(keys.LEASES_KEY, {job.id: now + self.table.lease_s})
                shared_runs.renew_run(pipe, job, self.table.lease_s)
                records.add_log(pipe, job.id, f"Attempt {job.attempt} begins on {job.worker}.")
                add_webhook(pipe, job, "video.started", now)

        def depends_on(job: Job) -> tuple[str, ...]:
            return keys.paused_key(job.request.model), *shared_runs.run_keys(job)

        job = self.table.update_if_exists(job_id, decide, extra, depends_on=depends_on)
        return job if job and job.state is State.RUNNING else None

    def waiting_since(self, job: Job) -> float:
        """The unix second since which a job waited before its lease: the end of the attempt before, or its creation.

        To be called right after the lease. A job that continues the run of another one has no attempt before.
        """
        with redis_errors():
            lines = cast(StreamRows, self.table.redis.xrevrange(keys.attempts_key(job.id), count=2))
        return attempt_log.time_of(lines[1][0]) if len(lines) > 1 else job.created_at

    def may_start(self, job_id: str, models: Collection[str]) -> bool:
        """Whether the job is of one of these models and the limit of its owner lets it start, as in `first_waiting`."""
        try:
            job = self.table.get(job_id)
        except JobNotFound:
            return False
        with redis_errors():
            return job.request.model in models and usage.may_start(self.table.redis, job)

    def heartbeat(self, job_id: str, token: str) -> HeartbeatReply:
        """Renews the lease of a running attempt."""
        return self._report(job_id, token, {})

    def report(self, job_id: str, token: str, phase: Phase, step: int, total_steps: int) -> HeartbeatReply:
        """Records the progress of a running attempt and renews its lease."""
        return self._report(job_id, token, {"phase": phase, "step": step, "total_steps": total_steps})

    def add_log(self, job_id: str, token: str, message: str, **fields: Any) -> bool:
        """Adds a sentence to the event log of the job, and `fields` of `Attempt` to the attempt log."""

        def extra(pipe: Pipeline, _: Job) -> None:
            if fields:
                attempt_log.append_fields(pipe, job_id, **fields)

        return self.table.update_held(job_id, token, lambda job: job, extra, event={"log": message}) is not None

    def record_preview(self, job_id: str, token: str, key: str, step: int, total_steps: int) -> bool:
        """Records the storage key of a preview of a running attempt."""
        event = {"preview": {"step": step, "total_steps": total_steps}}
        return self.table.update_held(job_id, token, lambda job: job.evolve(preview_key=key), event=event) is not None

    def record_segment(self, job_id: str, token: str, number: int, segment: Segment) -> bool:
        """Records a finished segment of a running attempt.

        Segments come in order from 0; those of an earlier attempt are replaced one by one.
        """

        def decide(job: Job) -> Job | None:
            if number > len(job.segments):
                return None
            return job.evolve(segments=(*job.segments[:number], segment, *job.segments[number + 1 :]))

        def extra(pipe: Pipeline, job: Job) -> None:
            if number + 1 == len(job.segments):
                seconds = sum(each.num_frames for each in job.segments) / job.request.fps
                records.add_log(pipe, job_id, f"{seconds:.4g} s of it can be watched.")

        return self.table.update_held(job_id, token, decide, extra) is not None

    def complete(self, job_id: str, token: str, result: Result) -> bool:
        """Commits the result of a job. After False the worker must discard its result.

        A repeat is harmless: if only the reply of Redis was lost, the second call returns True.
        """
        if self.table.finish(job_id, token, State.COMPLETED, result.warnings, result=result):
            return True
        try:
            stored = self.table.get(job_id).result
        except JobNotFound:
            return False
        return stored is not None and stored.video_key == result.video_key  # which no other attempt has

    def fail(self, job_id: str, token: str, why: Failure) -> bool:
        """Ends a running attempt and its job without a video."""
        return self.table.finish(job_id, token, _STATE_OF.get(why.code, State.FAILED), failure=why)

    def release(self, job_id: str, token: str) -> bool:
        """Returns a running job to the head of its queue; the attempt does not count."""
        ending = Ending(outcome=Outcome.RELEASED)
        return self.table.requeue(job_id, token, ending, costs_attempt=False) is not None

    def preempt(self, job_id: str, token: str) -> bool:
        """Returns a running job to the head of its priority, for a more urgent one; the attempt does not count."""
        ending = Ending(outcome=Outcome.PREEMPTED)
        return self.table.requeue(job_id, token, ending, costs_attempt=False) is not None

    def retry(self, job_id: str, token: str, why: Failure | None = None) -> bool:
        """Returns a running job to the head of its queue for another attempt."""
        ending = Ending(outcome=Outcome.RETRIED, why=why)
        return self.table.requeue(job_id, token, ending, costs_attempt=True) is not None

    # ---- jobs of the same work

    def shared_outcome(self, job: Job) -> Job | None:
        """The ended job whose result or failure this one gets; None if it needs a run of its own."""
        if job.shared_key is None:
            return None
        with redis_errors():
            name = cast(bytes | None, self.table.redis.get(keys.shared_end_key(job.shared_key)))
        earlier = self._readable(name) if name else None
        return earlier if earlier is not None and shared_runs.is_outcome_of(earlier, job) else None

    def waiting_sharers(self, job: Job) -> Iterator[Job]:
        """The waiting jobs of the same work as this one, the oldest first."""
        if job.shared_key is None:
            return
        with redis_errors():
            names = cast(list[bytes], self.table.redis.zrange(keys.shared_jobs_key(job.shared_key), 0, -1))
        for name in names:
            other = self._readable(name)
            if other is not None and other.id != job.id and other.owner == job.owner and other.state is State.QUEUED:
                yield other

    def continue_handovers(self, job_id: str, after: Job) -> Job | None:
        """Lets a waiting job use the checkpoints of `after`, whose run it continues. None if it no longer waits."""

        def decide(job: Job) -> Job | None:
            if job.state is not State.QUEUED or job.handover > after.handover:
                return None
            handover = after.handover + 1
            preemption = job.preemption and job.preemption.moved(job.handover, handover)
            return job.evolve(handover=handover, preemption=preemption)

        def extra(pipe: Pipeline, job: Job) -> None:
            add_first_event(pipe, keys.events_key(job_id), {"state": State.QUEUED}, job.created_at)
            records.add_log(pipe, job_id, "It continues the run of an equal video that was stopped.")

        return self.table.update_if_exists(job_id, decide, extra)

    def stopped_run(self, job: Job) -> str | None:
        """The job of the same work that was cancelled or late last, whose checkpoints are kept; None without one."""
        with redis_errors():
            stopped = shared_runs.stopped_run(self.table.redis, job)
        return None if stopped is None else stopped.job_id

    def end_shared_run(self, job: Job) -> None:
        """Lets the other jobs of the same work start, after this one was deleted."""
        with redis_errors(), self.table.redis.pipeline(transaction=True) as pipe:
            shared_runs.end_run(pipe, job)
            pipe.execute()

    def _readable(self, name: bytes) -> Job | None:
        try:
            return self.table.get(name.decode(errors="replace"))
        except (JobNotFound, RecordUnreadable):  # deleted, or reported where it is next in the queue
            return None

    def _report(self, job_id: str, token: str, progress: dict[str, Any]) -> HeartbeatReply:
        now = self.table.now()

        def decide(job: Job) -> Job:
            is_due = bool(progress) and now - job.progress_event_at >= PROGRESS_EVENT_EVERY_S
            return job.evolve(**progress, progress_event_at=now if is_due else job.progress_event_at)

        def extra(pipe: Pipeline, job: Job) -> None:
            pipe.zadd(keys.LEASES_KEY, {job_id: now + self.table.lease_s})
            shared_runs.renew_run(pipe, job, self.table.lease_s)
            if job.progress_event_at == now:
                add_webhook(pipe, job, "video.progress", now)

        job = self.table.update_held(job_id, token, decide, extra, event=progress)
        if job is None:
            return HeartbeatReply(is_held=False)
        return HeartbeatReply(True, job.cancel_requested, job.is_late(now), job.preempted_for)
