"""The engine: a child process that owns torch and the loaded models, and runs one request at a time.

A thread receives commands, so that a cancel takes effect during a run. When the supervisor dies, the engine exits.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Thread

import structlog

from easyanimate.errors import Interrupted
from jobs.logs import configure_logging
from worker.engine.model_cache import Loader, ModelCache
from worker.parent_death import die_with_parent
from worker.protocol.control import RunControl
from worker.protocol.errors import to_failed, to_not_loaded
from worker.protocol.messages import (
    Cancel,
    Command,
    Done,
    Failed,
    LoadModel,
    NotLoaded,
    Pause,
    Run,
    WindowReply,
    WindowWanted,
)

log = structlog.get_logger()

MAX_WINDOW_WAIT_S = 20.0  # for a stored window, then it is generated; less than a silence that ends an engine
WINDOW_POLL_S = 0.1  # between two checks for a cancel or a pause meanwhile


class CommandListener:
    """Receives the supervisor's commands. Cancel and Pause take effect at once; the others are queued."""

    def __init__(self, connection: Connection) -> None:
        self.commands: SimpleQueue[Command] = SimpleQueue()
        self._connection = connection
        self._cancelled: set[str] = set()
        self._paused: set[str] = set()
        self._window_replies: SimpleQueue[WindowReply] = SimpleQueue()
        Thread(target=self._listen, name="commands", daemon=True).start()

    def control(self, run: Run) -> RunControl:
        """The control of this run."""
        return RunControl(
            self._connection.send,
            lambda: self._check(run),
            lambda: run.id in self._paused,
            partial(self._find_window, run),
        )

    def _check(self, run: Run) -> None:
        if run.id in self._cancelled:
            raise Interrupted("the run was cancelled")

    def _find_window(self, run: Run, key: str) -> bool:
        """Asks the supervisor for a stored window. Raises Interrupted; between two windows nothing is lost."""
        self._connection.send(WindowWanted(key))
        deadline = time.monotonic() + MAX_WINDOW_WAIT_S
        while time.monotonic() < deadline:
            self._check(run)
            if run.id in self._paused:
                raise Interrupted("the run is paused")
            try:
                reply = self._window_replies.get(timeout=WINDOW_POLL_S)
            except Empty:
                continue
            if (reply.id, reply.key) == (run.id, key):
                return reply.is_fetched
        log.warning("window.late", window=key, seconds=MAX_WINDOW_WAIT_S)
        return False

    def _listen(self) -> None:
        try:
            while True:
                command = self._connection.recv()
                if isinstance(command, Cancel):
                    self._cancelled.add(command.id)
                elif isinstance(command, Pause):
                    self._paused.add(command.id)
                elif isinstance(command, WindowReply):
                    self._window_replies.put(command)
                else:
                    self.commands.put(command)
        except (EOFError, OSError):
            os._exit(1)  # the supervisor is dead, and a result is of no use


def run_engine(connection: Connection, make_loader: Callable[[], Loader]) -> int:
    """Executes commands; the first is a LoadModel. Returns 0 after Shutdown and 1 after a fatal failure."""
    listener = CommandListener(connection)
    command = listener.commands.get()
    if not isinstance(command, LoadModel):
        raise TypeError(f"the first command must be LoadModel, got {command!r}")
    configure_logging("console" if command.log_format == "console" else "json", command.log_level, process="engine")
    try:
        models = ModelCache(make_loader())
    except Exception as error:  # of any kind: the supervisor needs a reply
        log.exception("engine.failed")
        connection.send(to_not_loaded(command.model, error, is_fatal=True))
        return 1
    while isinstance(command, LoadModel | Run):
        event = models.load(command) if isinstance(command, LoadModel) else _run(models, command, listener)
        connection.send(event)
        if isinstance(event, Failed | NotLoaded) and event.is_fatal:
            return 1
        command = listener.commands.get()
    return 0


def _run(models: ModelCache, run: Run, listener: CommandListener) -> Done | Failed:
    try:
        return models.use(run.request.model).make(run, listener.control(run))
    except Exception as error:  # of any kind: the supervisor needs a reply
        event = to_failed(error)
        if event.code != "cancelled":
            log.exception("run.failed", code=event.code)
        return event


def start(make_loader: Callable[[], Loader]) -> None:
    """Serves the supervisor on the pipe whose number is the last argument of the program; never returns."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
    with Connection(int(sys.argv[-1])) as connection:
        code = run_engine(connection, make_loader)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the thread of the listener still runs


def _loader() -> Loader:
    from worker.engine.model_loader import ModelLoader  # noqa: PLC0415  torch takes seconds to import

    return ModelLoader()


if __name__ == "__main__":
    start(_loader)
