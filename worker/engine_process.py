"""The engine seen from the supervisor: a child process that is started, spoken to, listened to, and ended."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import structlog

from worker.messages import Answer, Load, Order, Ready, Shutdown
from worker.settings import Memory

log = structlog.get_logger()

LOWER: dict[Memory, Memory] = {"normal": "low", "low": "lowest"}  # memory profiles, each with the next smaller one
COMMAND = (sys.executable, "-m", "worker.engine")
STOP_PATIENCE_S = 5.0


class EngineDied(Exception):
    """The engine's process is gone."""


class EngineProcess:
    """One engine after the other; each gets `load` as its first order. Use from one thread."""

    def __init__(self, load: Load, command: Sequence[str] = COMMAND) -> None:
        self.load = load
        self.command = command
        self.is_ready = False
        self.memory: Memory = load.memory
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that was started last; None before the first."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start a process that loads the model, unless there is one that lives."""
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()
        ours, theirs = Pipe()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen([*self.command, str(number)], pass_fds=[number], stdin=subprocess.DEVNULL)
        self._connection = ours
        log.info("engine.started", engine_pid=self._process.pid)
        self.send(self.load)

    def send(self, order: Order) -> None:
        """Give an order. That the engine is dead is told by the next `poll`."""
        if self._connection is None:
            raise EngineDied
        try:
            self._connection.send(order)
        except OSError:
            log.warning("engine.deaf", order=type(order).__name__)

    def poll(self, timeout_s: float) -> Answer | None:
        """The next answer, or None if there is none within `timeout_s`. Raises EngineDied."""
        if self._connection is None:
            raise EngineDied
        try:
            answer: Answer | None = self._connection.recv() if self._connection.poll(timeout_s) else None
        except (EOFError, OSError) as error:
            self.kill()
            raise EngineDied from error
        if isinstance(answer, Ready):
            self.is_ready, self.memory = True, answer.memory
        return answer

    @contextmanager
    def saving_memory(self) -> Iterator[None]:
        """Inside, a new engine in the next smaller memory profile; afterwards the next one is as it was."""
        load = self.load
        self.kill()
        self.load = replace(load, memory=LOWER[self.memory])
        log.info("engine.saves_memory", memory=self.load.memory)
        try:
            yield
        finally:
            self.kill()
            self.load = load

    def kill(self) -> None:
        """End the process now, whatever it is doing."""
        self.is_ready = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            code = self._process.wait()
            log.info("engine.ended", engine_pid=self._process.pid, code=code)
            self._process = None

    def stop(self) -> None:
        """Ask the engine to end, and end it if it does not within some seconds."""
        if self._process is None:
            return
        self.send(Shutdown())
        deadline = time.monotonic() + STOP_PATIENCE_S
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.kill()
