"""One conversation with the engine: have it make a video, pass on how far it is, stop it when ordered or silent."""

import time
from typing import TypeVar

import structlog

from jobs.failure import failure
from jobs.states import Phase
from worker.endings import Ended, EngineLost, JobFailed, ModelBroken
from worker.engine_process import EngineDied, EngineProcess
from worker.messages import Answer, Cancel, Done, Failed, Progress, Ready, Run
from worker.orders import Orders
from worker.settings import WorkerSettings

log = structlog.get_logger()
T = TypeVar("T")

LISTEN_S = 0.1  # between two looks at what else there is: orders, silence


class EngineRun:
    """Every method may raise Ended; the engine is then idle again, or gone."""

    def __init__(self, engine: EngineProcess, settings: WorkerSettings, orders: Orders) -> None:
        self.engine = engine
        self.settings = settings
        self.orders = orders
        self.progress = Progress(Phase.LOADING, 0, 0)

    def make(self, run: Run) -> Done:
        """Have the video made that `run` asks for, by an engine that is started if need be."""
        self.engine.start()
        if not self.engine.is_ready:
            self._hear(Ready, None)
        self.engine.send(run)
        return self._hear(Done, run)

    def _hear(self, wanted: type[T], run: Run | None) -> T:
        """Listen until the engine says `wanted`; `run` is what it is busy with, None while it loads."""
        heard_at = time.monotonic()
        while True:
            self._follow_orders(run)
            answer = self._listen("poison_job" if run else "model_unavailable")
            if answer is None and time.monotonic() - heard_at > self._patience_s(run):
                log.error("engine.silent", phase=self.progress.phase)
                self.engine.kill()
                raise EngineLost("execution_timeout")
            if isinstance(answer, wanted):
                return answer
            if isinstance(answer, Failed):
                raise self._ending(answer)
            if isinstance(answer, Progress):
                self.progress = answer
                self.orders.reporter.tell(answer)
            heard_at = time.monotonic() if answer else heard_at

    def _listen(self, code_if_dead: str) -> Answer | None:
        try:
            return self.engine.poll(LISTEN_S)
        except EngineDied as error:
            log.error("engine.died")
            raise EngineLost(code_if_dead) from error

    def _ending(self, answer: Failed) -> Ended:
        if answer.is_fatal:
            self.engine.kill()
        if answer.code == "model_unavailable":
            log.error("model.unavailable", reason=answer.message)
            return ModelBroken()
        return EngineLost(answer.code) if answer.is_fatal else JobFailed(failure(answer.code, answer.message))

    def _patience_s(self, run: Run | None) -> float:
        if run is None:
            return self.settings.load_timeout_s
        if self.progress.phase in (Phase.DECODING, Phase.MUXING):
            return self.settings.decode_timeout_s
        return self.settings.step_timeout_s

    def _follow_orders(self, run: Run | None) -> None:
        try:
            self.orders.check()
        except Ended:
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
