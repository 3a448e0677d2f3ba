"""One attempt at a job: fetches the inputs, lets the engine generate, commits the result, and updates the record."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from easyanimate.provenance.marking import ProvenanceMarker
from jobs.errors import JobNotFound, QueueUnavailable, RecordUnreadable
from jobs.model.failure import failure
from jobs.model.input_files import input_keys
from jobs.model.job import Job, Result
from jobs.model.job_file import job_file_key, write_job
from jobs.model.result_files import segment_name
from jobs.model.states import Phase
from jobs.moderation import Moderator
from jobs.queue.signers import SignerRegistry
from jobs.storage.interface import Storage
from jobs.storage.paths import result_key
from jobs.store.leases import WorkerJobs
from worker import metrics
from worker.attempt.attempt_metrics import AttemptMetrics
from worker.attempt.attempt_trace import AttemptTrace
from worker.attempt.engine_process import EngineProcess
from worker.attempt.engine_session import EngineSession
from worker.attempt.heartbeat import Heartbeat
from worker.attempt.outcomes import AttemptEnded, Drained, EngineLost, JobFailed, LeaseLost, Preempted
from worker.attempt.result.attempt_storage import AttemptStorage
from worker.attempt.result.moderation import moderate_output
from worker.attempt.result.partial_results import PartialResultUploader
from worker.attempt.result.provenance import AttemptMarks
from worker.attempt.result.record import result_of
from worker.attempt.run_handover import RunHandover
from worker.attempt.stop_signals import StopSignals
from worker.checkpoints.store import CheckpointStore
from worker.crash_points import crash_point
from worker.drain import Drain, retry_until_drained
from worker.models.served import ServedModels
from worker.protocol.messages import (
    CheckpointDamaged,
    Checkpointed,
    Checkpoints,
    Done,
    Note,
    Preview,
    Progress,
    Resumed,
    Run,
    SegmentWritten,
    WindowDamaged,
    WindowFinished,
    WindowReused,
    WindowWanted,
)
from worker.settings import WorkerSettings
from worker.windows.format import window_scope
from worker.windows.transfer import WindowTransfer

log = structlog.get_logger()

CHECKPOINT_FLUSH_S = 8.0  # to store the newest checkpoint before the job is released
WINDOW_FLUSH_S = 10.0  # to store the last windows before the job is completed
WINDOW_FLUSH_AFTER_FAILURE_S = 2.0


@dataclass(frozen=True)
class WorkerContext:
    """What every attempt of a worker uses."""

    settings: WorkerSettings
    store: WorkerJobs
    storage: Storage
    engine: EngineProcess
    drain: Drain
    served: ServedModels
    marker: ProvenanceMarker
    moderator: Moderator | None = None


class AttemptRun:
    """A context manager: inside it the lease is renewed, and at its end the record gets the outcome.

    `folder` is empty at first. Every method may raise AttemptEnded, which the context handles.
    """

    def __init__(self, job: Job, context: WorkerContext, folder: Path) -> None:
        self.job = job
        self.token = job.token or ""
        self.settings, self.drain = context.settings, context.drain
        self.store = context.store
        self.moderator = context.moderator
        self.folder, self.result_path = folder, folder / job.request.result_name
        self.result_key = result_key(job.id, job.attempt, self.token, self.result_path.name)
        self.heartbeat = Heartbeat(context.store, job, context.settings.beat_s)
        is_lost, redis = self.heartbeat.is_lost.is_set, context.store.table.redis
        self.checkpoints = CheckpointStore(job, context.storage, context.settings, is_lost, redis)
        self.handover = RunHandover(context.store, job, self.checkpoints)
        self.stop_signals = StopSignals(self.heartbeat, context.drain, self.handover.has_follower)
        self.files = AttemptStorage(context.storage, job.id, self.stop_signals, context.settings.storage_patience_s)
        has_moderator = self.moderator is not None
        self.windows = WindowTransfer(
            job, context.store.table, context.storage, folder / "windows", holds_back=has_moderator
        )
        self.session = EngineSession(
            context.engine, context.settings, self.stop_signals, self._on_event, self.windows.replies
        )
        self.marks = AttemptMarks(context.marker, job, folder)
        self.signers, self.certificate = SignerRegistry(redis), context.marker.credentials.chain
        self.partial_results = PartialResultUploader(context.store, context.storage, job, self.marks)
        self.metrics = AttemptMetrics(job, self.checkpoints)
        self.trace = AttemptTrace(job, context.store)
        self.outcome: AttemptEnded | None = None  # why there is no video

    def __enter__(self) -> Self:
        request = self.job.request
        self.trace.begin()
        fields = {"size": request.size, "num_frames": request.num_frames, "steps": request.num_inference_steps}
        log.info("job.started", job_id=self.job.id, attempt=self.job.attempt, **fields)
        self.metrics.begin()
        self.heartbeat.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if isinstance(error, QueueUnavailable):
            log.warning("redis.away", job_id=self.job.id)
        elif error is not None and not isinstance(error, AttemptEnded):
            log.error("attempt.crashed", job_id=self.job.id, exc_info=error)
        try:
            if error is not None:
                self._finish(error if isinstance(error, AttemptEnded) else JobFailed(failure("internal_error")))
        except QueueUnavailable:
            raise
        except Exception:  # the lease expires, and the keeper recovers the job
            log.exception("attempt.not_finished", job_id=self.job.id)
        finally:
            self.partial_results.close()
            self.heartbeat.close()
            self.windows.finish(WINDOW_FLUSH_AFTER_FAILURE_S if isinstance(error, JobFailed) else 0.0)
            self.windows.close()
            self.checkpoints.close()
            self.metrics.end()
            self.trace.end()
        if self._is_job_final() and self.handover.stopped_run() != self.job.id:
            self.checkpoints.delete()
        return isinstance(error, Exception)

    def fetch_inputs(self) -> dict[str, Path]:
        """Downloads the input files of the request and returns them by name."""
        folder = self.folder / "inputs"
        folder.mkdir()
        return {name: self.files.fetch(key, folder / name) for name, key in input_keys(self.job.request).items()}

    def generate(self, inputs: dict[str, Path]) -> Done:
        """Lets the engine write the video to `result_path`, and its manifest beside it."""
        request = self.job.request.model_copy(update={"webhook": None})  # the engine does not need its secret
        self.checkpoints.fetch(self.handover.stopped_run())
        checkpoints = Checkpoints(self.checkpoints.folder, self.settings.checkpoint_every_s)
        scope = window_scope(self.job.owner) if self._reuses_windows else None
        run = Run(self.token, request, self.result_path, inputs, checkpoints, scope, self.settings.continuation)
        return self.session.run(run)

    @property
    def _reuses_windows(self) -> bool:
        """Whether the windows of this video are stored, and taken from earlier ones."""
        choice = self.settings.reuse_windows
        return choice == "on" or (choice == "films" and bool(self.job.request.shots))

    def moderate_output(self) -> None:
        """Fails the job if the moderation hook refuses the video; nothing without a hook."""
        if self.moderator is not None:
            self.stop_signals.has_video = True
            moderate_output(self.moderator, self.job, self.result_path, self.stop_signals)

    def mark_result(self, done: Done, inputs: dict[str, Path]) -> Done:
        """Marks the video and its images; returns `done` with the digests after it. Raises SigningFailed."""
        started = time.monotonic()
        self.partial_results.finish()
        marked = self.marks.mark_result(self.result_path, done, inputs)
        muxing = done.phase_seconds.get(Phase.MUXING.value, 0.0) + time.monotonic() - started
        return replace(marked, phase_seconds={**done.phase_seconds, Phase.MUXING.value: round(muxing, 3)})

    def commit_result(self, done: Done) -> None:
        """Stores the video and commits it as the result of the job, once."""
        started = time.monotonic()
        self.stop_signals.has_video = True
        self.windows.release()
        uploading = replace(self.session.progress, phase=Phase.UPLOADING)
        self.heartbeat.report(uploading)
        self.metrics.record(uploading)
        self.trace.record(uploading)
        segments = {segment_name(number) for number in range(len(done.segment_frames))} - self.partial_results.stored
        self.files.put_result(self.result_key, self.result_path, sorted(segments))
        self.windows.finish(WINDOW_FLUSH_S)
        phases = {**done.phase_seconds, Phase.UPLOADING.value: round(time.monotonic() - started, 3)}
        self.commit(result_of(self.result_key, done, phases))
        metrics.PEAK_MEMORY.labels(self.job.request.model).set(done.peak_memory_mb * 2**20)
        for phase, seconds in phases.items():
            metrics.PHASES.labels(phase).observe(seconds)

    def commit(self, result: Result) -> None:
        """Commits a result whose files are stored, once."""
        job_file = write_job(self.job, result, self._now())
        self.files.retry(lambda: self.files.storage.put_bytes(job_file_key(self.result_key), job_file))
        retry_until_drained(lambda: self.signers.keep(self.certificate, self.job.retention_s), self.drain)
        crash_point("worker.uploaded")
        self.heartbeat.close()
        if not retry_until_drained(lambda: self.store.complete(self.job.id, self.token, result), self.drain):
            raise LeaseLost
        metrics.ATTEMPTS.labels("completed").inc()
        self.trace.finish("completed")
        sizes = {"bytes": result.size_bytes, **result.phase_seconds}
        log.info("job.finished", job_id=self.job.id, attempt=self.job.attempt, **sizes)

    def shared_outcome(self) -> Job | None:
        """The ended job of the same work whose result or failure this one gets; None if there is none."""
        return retry_until_drained(lambda: self.store.shared_outcome(self.job), self.drain)

    def _now(self) -> float:
        """Unix seconds by the clock of Redis, which decides when files expire; by the local one while it is away."""
        try:
            return self.store.table.now()
        except QueueUnavailable:
            return time.time()

    def _on_event(self, event: Progress | Note) -> None:
        """Handles the progress and the notes of the engine."""
        self.metrics.record(event)
        self.trace.record(event)
        if isinstance(event, Preview | SegmentWritten):
            if self.moderator is None:  # otherwise nothing is visible before the whole video is allowed
                self.partial_results.put(event)
        elif isinstance(event, WindowWanted | WindowReused | WindowDamaged | WindowFinished):
            self.windows.put(event)
        elif isinstance(event, CheckpointDamaged):
            self.checkpoints.report_damage(event.attempt, event.reason)
        elif isinstance(event, Checkpointed):
            self.checkpoints.notify_written()
        elif isinstance(event, Resumed):
            self._log_resumed(event)

    def _log_resumed(self, event: Resumed) -> None:
        log.info("job.resumed", job_id=self.job.id, attempt=self.job.attempt, step=event.step)
        try:
            self.store.add_log(self.job.id, self.token, f"Resumes at step {event.step}.", resumed_step=event.step)
        except QueueUnavailable:
            log.warning("redis.away", job_id=self.job.id)

    def _is_job_final(self) -> bool:
        """Whether no further attempt follows; False while Redis is away, and if the record cannot be read any more."""
        try:
            return self.store.table.get(self.job.id).state.is_final
        except JobNotFound:
            return True
        except (QueueUnavailable, RecordUnreadable):
            return False

    def _finish(self, outcome: AttemptEnded) -> None:
        self.outcome = outcome
        if isinstance(outcome, Drained | Preempted | EngineLost) and not self.checkpoints.flush(CHECKPOINT_FLUSH_S):
            log.warning("checkpoint.not_stored", job_id=self.job.id)
        if isinstance(outcome, Preempted):
            crash_point("preemption.stopped")
        if isinstance(outcome, LeaseLost) and self.stop_signals.has_video:
            self.files.discard_result(self.result_key)
        self._hand_over(outcome)
        event = retry_until_drained(lambda: outcome.apply(self.store, self.job), self.drain)
        if isinstance(outcome, Drained | Preempted | EngineLost):
            self._hand_over(LeaseLost())  # if the caller has deleted the job meanwhile
        reason = str(outcome) or type(outcome).__name__
        metrics.ATTEMPTS.labels(event.removeprefix("job.")).inc()
        self.trace.finish(event.removeprefix("job."), outcome.failure_code)
        log.info(event, job_id=self.job.id, attempt=self.job.attempt, reason=reason)

    def _hand_over(self, outcome: AttemptEnded) -> None:
        if self.job.shared_key is not None:
            with suppress(QueueUnavailable, RecordUnreadable):  # then another job of the same work starts at step 0
                self.handover.apply(outcome)
