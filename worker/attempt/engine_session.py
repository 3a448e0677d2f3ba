"""One conversation with the engine: have it make a video, pass on how far it is, stop it when ordered or silent."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from jobs.model.failure import failure
from jobs.model.states import Phase
from worker.attempt.engine_process import LOWER, EngineDied, EngineProcess
from worker.attempt.outcomes import AttemptEnded, Drained, EngineLost, JobFailed, ModelBroken, OutOfMemory
from worker.attempt.stop_signals import StopSignals
from worker.attempt.watchdog import ProgressRate
from worker.protocol.messages import (
    Cancel,
    Checkpointed,
    Done,
    Event,
    Failed,
    NotLoaded,
    Pause,
    Preview,
    Progress,
    Ready,
    Resumed,
    Run,
    SegmentWritten,
)
from worker.settings import WorkerSettings

log = structlog.get_logger()
T = TypeVar("T")
Note = Resumed | Checkpointed | Preview | SegmentWritten

LISTEN_S = 0.05  # between two looks at what else there is: orders, silence
TO_HAND_BACK_S = 3.0  # of the grace: for a step that is under way, and the checkpoint on its way to storage


class EngineSession:
    """Every method may raise Ended; the engine is then idle again, or gone; `on_note` hears the rest."""

    def __init__(
        self,
        engine: EngineProcess,
        settings: WorkerSettings,
        orders: StopSignals,
        on_note: Callable[[Note], None],
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.orders = orders
        self.on_note = on_note
        self.progress = Progress(Phase.LOADING, 0, 0)
        self.pace = ProgressRate()

    def make(self, run: Run) -> Done:
        """Have the video made that `run` asks for, by an engine that is started, and loads its model, if need be.

        When the device is too small it is tried once more without other models, then in a smaller memory profile.
        """
        while True:
            try:
                return self._try(run)
            except OutOfMemory:
                if self.engine.make_room():
                    continue
                if self.engine.memory not in LOWER:
                    raise
            with self.engine.saving_memory():
                return self._try(run)

    def _try(self, run: Run) -> Done:
        self.engine.start(run.request.model)
        while not self.engine.is_ready:
            self._hear(Ready, None)
        self.engine.send(run)
        return self._hear(Done, run)

    def _hear(self, wanted: type[T], run: Run | None) -> T:
        """Listen until the engine says `wanted`; `run` is what it is busy with, None while it loads."""
        self.pace = ProgressRate()
        is_pausing = False
        while True:
            self._follow_orders(run)
            if not is_pausing and self._must_pause(run):
                is_pausing = self._ask_to_pause(run)
            answer = self._listen("poison_job" if run else "model_unavailable")
            if answer is None:
                self._check_silence(run)
            elif isinstance(answer, wanted):
                return answer
            elif isinstance(answer, NotLoaded):
                self._look_at(answer)
            elif isinstance(answer, Failed):
                raise Drained if is_pausing and answer.code == "cancelled" else self._ending(answer)
            else:
                self._pass_on(answer)

    def _pass_on(self, answer: Event) -> None:
        if isinstance(answer, Progress):
            self.progress = answer
            self.orders.reporter.report(answer)
        elif isinstance(answer, Note):
            self.on_note(answer)
        self.pace.record(answer if isinstance(answer, Progress) else None)

    def _listen(self, code_if_dead: str) -> Event | None:
        try:
            return self.engine.poll(LISTEN_S)
        except EngineDied as error:
            log.error("engine.died")
            raise EngineLost(code_if_dead) from error

    def _check_silence(self, run: Run | None) -> None:
        patience_s = self.pace.silence_limit_s(self._limit_s(run))
        if self.pace.silent_s > patience_s:
            log.error("engine.silent", phase=self.progress.phase, seconds=round(patience_s, 1))
            self.engine.kill()
            raise EngineLost("execution_timeout")

    def _limit_s(self, run: Run | None) -> float:
        if run is None:
            return self.settings.load_timeout_s
        if self.progress.phase in (Phase.DECODING, Phase.MUXING):
            return self.settings.decode_timeout_s
        return self.settings.step_timeout_s

    def _look_at(self, answer: NotLoaded) -> None:
        """A model could not be loaded; if it is not ours, somebody asked for it before us, and did not wait."""
        if answer.is_fatal:
            self.engine.kill()
            raise EngineLost("model_unavailable")
        if answer.model == self.engine.load.model:
            raise ModelBroken

    def _ending(self, answer: Failed) -> AttemptEnded:
        if answer.is_fatal:
            self.engine.kill()
        if answer.code == "gpu_out_of_memory":
            return OutOfMemory(answer.message)
        return EngineLost(answer.code) if answer.is_fatal else JobFailed(failure(answer.code, answer.message))

    def _must_pause(self, run: Run | None) -> bool:
        """Whether the worker has to go and the run, at its pace, would not end before."""
        drain = self.orders.drain
        if not drain.has_begun:
            return False
        left_s = self.pace.seconds_left() if run else float("inf")
        return left_s is not None and left_s > drain.remaining_s - TO_HAND_BACK_S

    def _ask_to_pause(self, run: Run | None) -> bool:
        """The engine keeps how the run stands, and stops at its next step; a model that still loads need not."""
        if run is None:
            raise Drained
        log.info("run.paused", seconds_left=round(self.pace.seconds_left() or 0.0, 1))
        self.engine.send(Pause(run.id))
        return True

    def _follow_orders(self, run: Run | None) -> None:
        try:
            self.orders.raise_if_stopped()
        except AttemptEnded:
            if run is not None and not self._drops(run):
                self.engine.kill()
            raise

    def _drops(self, run: Run) -> bool:
        """Whether the engine drops the run when asked, within its grace."""
        self.engine.send(Cancel(run.id))
        deadline = time.monotonic() + self.settings.cancel_grace_s
        while time.monotonic() < deadline and not self.orders.drain.is_over:
            try:
                answer = self.engine.poll(LISTEN_S)
            except EngineDied:
                return False
            if isinstance(answer, Done | Failed):
                return isinstance(answer, Done) or not answer.is_fatal
        return False
