"""Metrics of the attempt that runs now, from the events of its engine. A process runs one attempt at a time."""

import time

from jobs.model.job import Job
from jobs.model.states import Phase
from worker import metrics
from worker.checkpoints.store import CheckpointStore
from worker.protocol.messages import Checkpointed, Event, Progress, Resumed, SegmentWritten

PLACES = SPOOL, STORAGE = "spool", "storage"


class AttemptMetrics:
    """Sets the gauges of a running attempt from `begin` to `end`, and observes its steps and windows."""

    def __init__(self, job: Job, checkpoints: CheckpointStore) -> None:
        self._model = job.request.model
        self._labels = job.id, self._model, str(job.attempt)
        self._checkpoints = checkpoints
        self._last = Progress(Phase.LOADING, 0, 0)
        self._last_event_at = self._window_began_at = self._saved_at = time.monotonic()
        self._steps_of_window = 0

    def begin(self) -> None:
        """The attempt begins."""
        metrics.BUSY.set(1)
        metrics.JOB.labels(*self._labels).set(1)
        metrics.CHECKPOINT_AGE.labels(SPOOL).set_function(lambda: time.monotonic() - self._saved_at)
        metrics.CHECKPOINT_AGE.labels(STORAGE).set_function(lambda: time.monotonic() - self._checkpoints.stored_at)
        self._set_progress(self._last)

    def record(self, event: Event) -> None:
        """Records an event of the engine, or the progress of the upload."""
        now = time.monotonic()
        if isinstance(event, Progress):
            self._record_progress(event, now)
        elif isinstance(event, Checkpointed):
            self._saved_at = now
        elif isinstance(event, SegmentWritten | Resumed):
            self._end_window(now)
        self._last_event_at = now

    def end(self) -> None:
        """The attempt has ended."""
        metrics.BUSY.set(0)
        metrics.JOB.remove(*self._labels)
        metrics.PHASE.clear()
        metrics.PROGRESS.set(0)
        for place in PLACES:
            metrics.CHECKPOINT_AGE.labels(place).set_function(lambda: 0.0)

    def _record_progress(self, progress: Progress, now: float) -> None:
        is_step = progress.phase is self._last.phase is Phase.DENOISING and progress.step == self._last.step + 1
        if is_step:
            metrics.STEPS.labels(self._model).observe(now - self._last_event_at)
            self._steps_of_window += 1
        self._set_progress(progress)

    def _end_window(self, now: float) -> None:
        """A segment without steps is of an earlier attempt or of an extended video, and no window of this attempt."""
        if self._steps_of_window:
            metrics.WINDOWS.labels(self._model).observe(now - self._window_began_at)
        self._window_began_at, self._steps_of_window = now, 0

    def _set_progress(self, progress: Progress) -> None:
        if progress.phase is not self._last.phase:
            metrics.PHASE.clear()
        metrics.PHASE.labels(progress.phase).set(1)
        metrics.PROGRESS.set(progress.step / progress.total_steps if progress.total_steps else 0.0)
        self._last = progress
