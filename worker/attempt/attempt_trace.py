"""The spans of one attempt: the attempt, its windows, and the phases, from the progress of the engine."""

from contextlib import ExitStack, suppress

from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.model.states import Phase
from jobs.store.leases import WorkerJobs
from jobs.tracing.spans import NO_SPAN, TraceSpan, recorder
from worker.protocol.messages import Event, Progress, Resumed


class AttemptTrace:
    """Used by the thread that runs the attempt, from `begin` to `end`. The attempt is then the current span."""

    def __init__(self, job: Job, store: WorkerJobs) -> None:
        self._job, self._store, self._recorder = job, store, recorder()
        self._open = ExitStack()
        self._attempt = self._window = self._phase = NO_SPAN
        self._place: tuple[int | None, Phase | None] = None, None

    def begin(self) -> None:
        """The attempt begins with the phase `loading`. Before it there is a span of the wait."""
        if not self._recorder.is_on:
            return
        job, request = self._job, self._job.request
        fields = {"video_id": job.id, "model": request.model, "mode": request.mode, "size": request.size}
        counts = {"frames": request.num_frames, "steps": request.num_inference_steps, "attempt": job.attempt}
        span = self._recorder.span("video.attempt", job.traceparent, "consumer", **fields, **counts)
        self._attempt = self._open.enter_context(span)
        with suppress(QueueUnavailable):  # the trace then has no span of the wait
            self._add_wait(self._store.waiting_since(job))
        self._enter(None, Phase.LOADING)

    def record(self, event: Event) -> None:
        """Begins a span when the engine enters a window or a phase."""
        if not self._recorder.is_on:
            return
        if isinstance(event, Resumed):
            self._attempt.set(resumed_step=event.step)
        elif isinstance(event, Progress):
            is_new = event.phase is Phase.UPLOADING or event.doing is None
            self._enter(None if is_new else event.window, event.phase if is_new else event.doing)

    def finish(self, outcome: str, code: str | None = None) -> None:
        """Adds the outcome; with a code the attempt and the phase in which it ended have failed."""
        self._attempt.set(outcome=outcome)
        for span in (self._attempt, self._window, self._phase) if code is not None else ():
            span.fail(code or "")

    def end(self) -> None:
        """Ends all spans."""
        self._phase.end()
        self._window.end()
        self._open.close()

    def _add_wait(self, since: float) -> None:
        """The wait before this attempt, from the unix second `since` until now."""
        fields = {"video_id": self._job.id, "priority": self._job.priority, "attempt": self._job.attempt}
        self._recorder.begin("video.wait", self._attempt, since, **fields).end()

    def _enter(self, window: int | None, phase: Phase | None) -> None:
        if (window, phase) == self._place:
            return
        self._phase.end()
        if window != self._place[0]:
            self._window.end()
            self._window = NO_SPAN if window is None else self._begin("video.window", self._attempt, window)
        self._phase = self._begin(f"video.{phase}", self._attempt if window is None else self._window, window)
        self._place = window, phase

    def _begin(self, name: str, under: TraceSpan, window: int | None) -> TraceSpan:
        return self._recorder.begin(name, under, video_id=self._job.id, window=window)
