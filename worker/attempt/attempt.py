"""One try of this worker at one job: fetch the inputs, let the engine work, shelve the video, settle the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from jobs.errors import JobNotFound, QueueUnavailable, StorageUnavailable
from jobs.model.failure import failure
from jobs.model.job import Job, Result
from jobs.model.job_file import job_file_key, write_job
from jobs.model.result_files import FILES, IMAGES, Variant, segment_name, sibling_key
from jobs.model.states import Phase
from jobs.storage.interface import Storage
from jobs.storage.paths import INPUT_FILES, content_type_of, result_key
from jobs.store.keeper.recovery import JobStore
from worker import metrics
from worker.attempt.engine_process import EngineProcess
from worker.attempt.engine_session import EngineSession, Note
from worker.attempt.heartbeat import Heartbeat
from worker.attempt.outcomes import AttemptEnded, Drained, EngineLost, JobFailed, LeaseLost
from worker.attempt.partial_results import PartialResultUploader
from worker.attempt.stop_signals import StopSignals
from worker.checkpoints.store import CheckpointStore
from worker.crash_points import crash_point
from worker.drain import Drain, retry_until_drained
from worker.models.served import ServedModels
from worker.protocol.messages import Checkpointed, Checkpoints, Done, Preview, Run, SegmentWritten
from worker.settings import WorkerSettings

log = structlog.get_logger()

BESIDE = (FILES[Variant.MANIFEST], *IMAGES)
STORE_LAST_S = 8.0  # for the newest checkpoint to get to storage before the job goes to another
MAX_STORAGE_PAUSE_S = 15.0  # between two tries to reach the storage


@dataclass(frozen=True)
class WorkerContext:
    """What every attempt of a worker uses."""

    settings: WorkerSettings
    store: JobStore
    storage: Storage
    engine: EngineProcess
    drain: Drain
    served: ServedModels


class AttemptRun:
    """Use as a context: inside it the job is beaten for, and when it is left the job is settled.

    `room` is an empty folder. Every method may raise Ended, which leaving the context takes care of.
    """

    def __init__(self, job: Job, context: WorkerContext, room: Path) -> None:
        self.job = job
        self.token = job.token or ""
        self.settings, self.store, self.storage = context.settings, context.store, context.storage
        self.room, self.result_path = room, room / job.request.result_name
        self.reporter = Heartbeat(context.store, job, context.settings.beat_s)
        self.orders = StopSignals(self.reporter, context.drain)
        self.shelf = CheckpointStore(job, context.storage, context.settings, self.reporter.is_lost.is_set)
        self.run = EngineSession(context.engine, context.settings, self.orders, self._note)
        self.side_shelf = PartialResultUploader(context.store, context.storage, job, room)
        self.ending: AttemptEnded | None = None

    def __enter__(self) -> Self:
        asked = self.job.request
        facts = {"size": asked.size, "num_frames": asked.num_frames, "steps": asked.num_inference_steps}
        log.info("job.started", job_id=self.job.id, attempt=self.job.attempt, **facts)
        self.reporter.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        try:
            if error is not None:
                self._settle(error if isinstance(error, AttemptEnded) else JobFailed(failure("internal_error")))
        finally:
            self.side_shelf.close()
            self.reporter.close()
            self.shelf.close()
        if self._has_job_ended():
            self.shelf.delete()
        return isinstance(error, AttemptEnded)

    def fetch_inputs(self) -> dict[str, Path]:
        """What the request came with, as files, by name."""
        folder = self.room / "inputs"
        folder.mkdir()
        keys = {name: getattr(self.job.request, field) for name, field in INPUT_FILES.items()}
        return {name: self._fetch(key, folder / name) for name, key in keys.items() if key}

    def generate(self, inputs: dict[str, Path]) -> Done:
        """Have the engine make the video; it is at `result_path` then, and its manifest beside it."""
        request = self.job.request.model_copy(update={"webhook": None})  # its secret is none of the engine's business
        self.shelf.fetch()
        checkpoints = Checkpoints(self.shelf.folder, self.settings.checkpoint_every_s)
        return self.run.make(Run(self.token, request, self.result_path, inputs, checkpoints))

    def commit_result(self, done: Done) -> None:
        """Store the video and commit it as the job's result, once."""
        started = time.monotonic()
        self.orders.has_video = True
        self.reporter.report(replace(self.run.progress, phase=Phase.UPLOADING))
        key = result_key(self.job.id, self.job.attempt, self.token, self.result_path.name)
        segments = [segment_name(number) for number in range(len(done.segment_frames))]
        for name in (*BESIDE, *(name for name in segments if name not in self.side_shelf.stored)):
            if (path := self.result_path.with_name(name)).exists():
                self._with_storage(partial(self.storage.put_file, sibling_key(key, name), path))
        self._with_storage(lambda: self.storage.put_file(key, self.result_path))
        phases = {**done.phase_seconds, Phase.UPLOADING.value: round(time.monotonic() - started, 3)}
        result = _result(key, done, phases)
        told = write_job(self.job, result, time.time())
        self._with_storage(lambda: self.storage.put_bytes(job_file_key(key), told))
        crash_point("worker.uploaded")
        self.reporter.close()
        if not retry_until_drained(lambda: self.store.complete(self.job.id, self.token, result), self.orders.drain):
            self._discard(key)
            raise LeaseLost
        metrics.ATTEMPTS.labels("completed").inc()
        for phase, seconds in phases.items():
            metrics.PHASES.labels(phase).observe(seconds)
        log.info("job.finished", job_id=self.job.id, attempt=self.job.attempt, bytes=done.size_bytes, **phases)

    def _note(self, what: Note) -> None:
        """The engine goes on from a checkpoint, or has made one, or shows how far it is."""
        if isinstance(what, Preview | SegmentWritten):
            self.side_shelf.put(what)
            return
        if isinstance(what, Checkpointed):
            self.shelf.notify_written()
            return
        log.info("job.resumed", job_id=self.job.id, attempt=self.job.attempt, step=what.step)
        try:
            self.store.add_log(self.job.id, self.token, f"Goes on from step {what.step}.", resumed_step=what.step)
        except QueueUnavailable:
            log.warning("redis.away", job_id=self.job.id)

    def _has_job_ended(self) -> bool:
        """Whether nobody will go on with it; not known while Redis is away."""
        try:
            return self.store.get(self.job.id).state.is_final
        except JobNotFound:
            return True
        except QueueUnavailable:
            return False

    def _settle(self, ending: AttemptEnded) -> None:
        self.ending = ending
        if isinstance(ending, Drained | EngineLost) and not self.shelf.flush(STORE_LAST_S):
            log.warning("checkpoint.not_stored", job_id=self.job.id)
        event = retry_until_drained(lambda: ending.apply(self.store, self.job), self.orders.drain)
        reason = str(ending) or type(ending).__name__
        metrics.ATTEMPTS.labels(event.removeprefix("job.")).inc()
        log.info(event, job_id=self.job.id, attempt=self.job.attempt, reason=reason)

    def _fetch(self, key: str, path: Path) -> Path:
        try:
            self._with_storage(lambda: self._download(key, path))
        except KeyError as error:
            raise JobFailed(failure("internal_error", f"The input {path.name} is no longer there.")) from error
        return path

    def _download(self, key: str, path: Path) -> None:
        size = self.storage.stat(key).size_bytes
        with path.open("wb") as file:
            for piece in self.storage.read(key, 0, size):
                file.write(piece)

    def _with_storage(self, call: Callable[[], None]) -> None:
        """Try until the storage answers: that it was away is no reason to make a video twice."""
        started, pause_s = time.monotonic(), 0.2
        while True:
            self.orders.raise_if_stopped()
            try:
                return call()
            except StorageUnavailable as error:
                log.warning("storage.away", job_id=self.job.id, reason=str(error))
                if time.monotonic() - started > self.settings.storage_patience_s:
                    raise JobFailed(failure("storage_unavailable")) from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_STORAGE_PAUSE_S)

    def _discard(self, key: str) -> None:
        try:
            self.storage.delete_prefix(key.rpartition("/")[0] + "/")
        except StorageUnavailable:
            log.warning("video.left_behind", job_id=self.job.id, key=key)


def _result(key: str, done: Done, phases: dict[str, float]) -> Result:
    return Result(
        video_key=key,
        content_type=content_type_of(key),
        size_bytes=done.size_bytes,
        content_sha256=done.sha256,
        inference_time_s=round(sum(done.phase_seconds.values()), 3),
        peak_memory_mb=done.peak_memory_mb,
        phase_seconds=phases,
        warnings=done.warnings,
        segment_frames=done.segment_frames,
    )
