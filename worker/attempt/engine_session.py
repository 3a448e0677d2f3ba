"""A run on the engine: starts it, passes its events on, and stops it on a signal or when it is silent."""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from jobs.model.failure import failure
from jobs.model.states import Phase
from worker.attempt.engine_process import LOWER, EngineDied, EngineProcess
from worker.attempt.outcomes import AttemptEnded, Drained, EngineLost, JobFailed, ModelBroken, OutOfMemory
from worker.attempt.stop_signals import StopSignals
from worker.attempt.watchdog import Watchdog
from worker.protocol.messages import (
    Cancel,
    Command,
    Done,
    Event,
    Failed,
    Note,
    NotLoaded,
    Pause,
    Progress,
    Ready,
    Run,
)
from worker.settings import WorkerSettings

log = structlog.get_logger()
T = TypeVar("T")

POLL_S = 0.05  # between two checks of signals and silence
RELEASE_S = 3.0  # of the grace, for the current step and to store its checkpoint


class EngineSession:
    """`run` may raise AttemptEnded; the engine is then idle or killed.

    `on_event` receives progress and notes, `replies` returns what the engine waits for.
    """

    def __init__(
        self,
        engine: EngineProcess,
        settings: WorkerSettings,
        stop_signals: StopSignals,
        on_event: Callable[[Progress | Note], None],
        replies: Callable[[], Iterable[Command]] = tuple,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.stop_signals = stop_signals
        self.on_event, self.replies = on_event, replies
        self.progress = Progress(Phase.LOADING, 0, 0)
        self.watchdog = Watchdog(self.settings, is_loading=True)

    def run(self, run: Run) -> Done:
        """Generates the video of `run`, after the engine is started and its model loaded.

        Out of memory is retried once without other models, then once in a smaller memory profile.
        """
        while True:
            try:
                return self._try(run)
            except OutOfMemory:
                if self.engine.make_room():
                    continue
                if self.engine.memory not in LOWER:
                    raise
            with self.engine.in_smaller_profile():
                return self._try(run)

    def _try(self, run: Run) -> Done:
        self.engine.start(run.request.model)
        while not self.engine.is_ready:
            self._wait_for(Ready, None)
        self.engine.send(run)
        return self._wait_for(Done, run)

    def _wait_for(self, expected: type[T], run: Run | None) -> T:
        """Handles events until one of type `expected` comes; `run` is the current run, None during a load."""
        self.watchdog = Watchdog(self.settings, is_loading=run is None)
        pausing: AttemptEnded | None = None  # the outcome when the run has stopped
        while True:
            self._check_signals(run)
            if pausing is None and (pausing := self._why_pause(run)) is not None:
                self._send_pause(run, pausing)
            for reply in self.replies():
                self.engine.send(reply)
            event = self._poll("poison_job" if run else "model_unavailable")
            if event is None:
                self._check_silence()
            elif isinstance(event, expected):
                return event
            elif isinstance(event, NotLoaded):
                self._check_load(event)
            elif isinstance(event, Failed):
                raise pausing if pausing is not None and event.code == "cancelled" else self._outcome(event)
            else:
                self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress = event
            self.stop_signals.heartbeat.report(event)
        if isinstance(event, Progress | Note):
            self.on_event(event)
        self.watchdog.record(event if isinstance(event, Progress) else None)

    def _poll(self, code_if_dead: str) -> Event | None:
        try:
            return self.engine.poll(POLL_S)
        except EngineDied as error:
            log.error("engine.died")
            raise EngineLost(code_if_dead) from error

    def _check_silence(self) -> None:
        if self.watchdog.silent_s > (limit_s := self.watchdog.silence_limit_s):
            log.error("engine.silent", phase=self.progress.phase, seconds=round(limit_s, 1))
            self.engine.kill()
            raise EngineLost("execution_timeout")

    def _check_load(self, event: NotLoaded) -> None:
        """Raises if the model of this run cannot be loaded; the event may also be of an earlier, stopped run."""
        if event.is_fatal:
            self.engine.kill()
            raise EngineLost("model_unavailable")
        if event.model == self.engine.load.model:
            raise ModelBroken

    def _outcome(self, event: Failed) -> AttemptEnded:
        if event.is_fatal:
            self.engine.kill()
        if event.code == "gpu_out_of_memory":
            return OutOfMemory(event.message)
        return EngineLost(event.code) if event.is_fatal else JobFailed(failure(event.code, event.message))

    def _why_pause(self, run: Run | None) -> AttemptEnded | None:
        """The outcome for which the run must stop at its next step: a preemption or a drain; None without one."""
        return Drained() if self._must_pause(run) else self.stop_signals.preemption

    def _must_pause(self, run: Run | None) -> bool:
        """Whether the worker drains and the run, at its present rate, would not end in time."""
        drain = self.stop_signals.drain
        if not drain.has_begun:
            return False
        left_s = self.watchdog.seconds_left() if run else float("inf")
        return left_s is not None and left_s > drain.remaining_s - RELEASE_S

    def _send_pause(self, run: Run | None, outcome: AttemptEnded) -> None:
        """Lets the engine write a checkpoint and stop at its next step. Raises `outcome` during a load."""
        if run is None:
            raise outcome
        seconds_left = round(self.watchdog.seconds_left() or 0.0, 1)
        log.info("run.paused", seconds_left=seconds_left, reason=type(outcome).__name__)
        self.engine.send(Pause(run.id))

    def _check_signals(self, run: Run | None) -> None:
        try:
            self.stop_signals.raise_if_stopped()
        except AttemptEnded:
            if run is not None and not self._cancel(run):
                self.engine.kill()
            raise

    def _cancel(self, run: Run) -> bool:
        """Cancels the run; returns whether the engine stopped it within `cancel_grace_s`.

        If another job continues the run, the engine writes a checkpoint first.
        """
        self.engine.send(Pause(run.id) if self.stop_signals.is_continued() else Cancel(run.id))
        deadline = time.monotonic() + self.settings.cancel_grace_s
        while time.monotonic() < deadline and not self.stop_signals.drain.is_over:
            try:
                event = self.engine.poll(POLL_S)
            except EngineDied:
                return False
            if isinstance(event, Done | Failed):
                return isinstance(event, Done) or not event.is_fatal
        return False
