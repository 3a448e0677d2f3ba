"""The engine: a child process that owns torch and the loaded models, and makes one video at a time.

It hears orders in a thread of its own, so that a cancel is known while the model works; when the supervisor is gone,
so is the engine.
"""

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread

import structlog

from easyanimate.errors import Interrupted
from jobs.logs import configure_logging
from worker.engine.model_cache import Loader, ModelCache
from worker.parent_death import die_with_parent
from worker.protocol.errors import to_failed, to_not_loaded
from worker.protocol.messages import Cancel, Command, Done, Event, Failed, LoadModel, NotLoaded, Pause, Run

log = structlog.get_logger()


class CommandListener:
    """Hears the supervisor's orders. A cancel or a pause counts at once; the rest waits its turn."""

    def __init__(self, connection: Connection) -> None:
        self.orders: SimpleQueue[Command] = SimpleQueue()
        self._connection = connection
        self._cancelled: set[str] = set()
        self._paused: set[str] = set()
        Thread(target=self._listen, name="ear", daemon=True).start()

    def check(self, run: Run) -> None:
        """Raise Interrupted if this run was cancelled."""
        if run.id in self._cancelled:
            raise Interrupted("the run was cancelled")

    def wants_pause(self, run: Run) -> bool:
        """Whether this run shall go on elsewhere."""
        return run.id in self._paused

    def _listen(self) -> None:
        try:
            while True:
                order = self._connection.recv()
                if isinstance(order, Cancel):
                    self._cancelled.add(order.id)
                elif isinstance(order, Pause):
                    self._paused.add(order.id)
                else:
                    self.orders.put(order)
        except (EOFError, OSError):
            os._exit(1)  # the supervisor is gone: nobody waits for what we do


def run_engine(connection: Connection, make_loader: Callable[[], Loader]) -> int:
    """Load and run what is asked, until told to end (0) or of no more use (1). The first order is a Load."""
    ear = CommandListener(connection)
    order = ear.orders.get()
    if not isinstance(order, LoadModel):
        raise TypeError(f"the first order must be Load, got {order!r}")
    configure_logging("console" if order.log_format == "console" else "json", process="engine")
    try:
        models = ModelCache(make_loader())
    except Exception as error:  # whatever it is: the supervisor must hear of it
        log.exception("engine.unfit")
        connection.send(to_not_loaded(order.model, error, is_fatal=True))
        return 1
    while isinstance(order, LoadModel | Run):
        answer = models.load(order) if isinstance(order, LoadModel) else _answer(models, order, connection.send, ear)
        connection.send(answer)
        if isinstance(answer, Failed | NotLoaded) and answer.is_fatal:
            return 1
        order = ear.orders.get()
    return 0


def _answer(models: ModelCache, run: Run, tell: Callable[[Event], None], ear: CommandListener) -> Done | Failed:
    try:
        return models.use(run.request.model).make(run, tell, lambda: ear.check(run), lambda: ear.wants_pause(run))
    except Exception as error:  # whatever it is: the supervisor must hear of it
        answer = to_failed(error)
        if answer.code != "cancelled":
            log.exception("run.failed", code=answer.code)
        return answer


def start(make_loader: Callable[[], Loader]) -> None:
    """Serve the supervisor at the other end of the pipe whose number is the program's last argument; never returns."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    with Connection(int(sys.argv[-1])) as connection:
        code = run_engine(connection, make_loader)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the ear still listens


def _loader() -> Loader:
    from worker.engine.model_loader import ModelLoader  # noqa: PLC0415  torch, seconds of it, only in the engine itself

    return ModelLoader()


if __name__ == "__main__":
    start(_loader)
