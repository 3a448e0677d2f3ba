"""The engine seen from the supervisor: a child process that is started, spoken to, listened to, and ended."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import structlog

from worker import metrics
from worker.protocol.messages import Command, Event, Loaded, LoadModel, NotLoaded, Ready, Shutdown
from worker.settings import Memory

log = structlog.get_logger()

LOWER: dict[Memory, Memory] = {"normal": "low", "low": "lowest"}  # memory profiles, each with the next smaller one
COMMAND = (sys.executable, "-m", "worker.engine.__main__")
STOP_PATIENCE_S = 5.0
MAX_CRASHES = 3  # of the engine in a row while it loads a model: then it is the model's fault


class EngineDied(Exception):
    """The engine's process is gone."""


class EngineProcess:
    """One engine after the other; the first order of each is `load`. Use from one thread; `loaded` may be read by all.

    `broken` says of models that cannot be loaded why not.
    """

    def __init__(self, load: LoadModel, command: Sequence[str] = COMMAND) -> None:
        self.load = load  # the latest order of its kind
        self.command = command
        self.loaded: Mapping[str, Loaded] = {}
        self.broken: dict[str, str] = {}
        self._loading: list[str] = []  # asked for and not yet answered, the first of them is being loaded
        self._crashes: Counter[str] = Counter()  # by model, in a row, while loading it
        self._loners: set[str] = set()  # these ran out of memory beside others
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that was started last; None before the first."""
        return self._process.pid if self._process else None

    @property
    def is_ready(self) -> bool:
        """Whether the model that was asked for last is there."""
        return self.load.model in self.loaded and self.load.model not in self._loading

    @property
    def memory(self) -> Memory:
        """The memory profile of the model that was asked for last, as far as it is known."""
        held = self.loaded.get(self.load.model)
        return held.memory if held else self.load.memory

    def start(self, model: str | None = None) -> None:
        """See that there is a process that has this model, the latest if none is named, or is loading it."""
        model = model or self.load.model
        alone = model in self._loners
        self.load = replace(self.load, folder=self.load.folder.with_name(model), alone=alone)
        if self._process is None or self._process.poll() is not None:
            self._spawn()
        if model not in self._loading and (model not in self.loaded or (alone and len(self.loaded) > 1)):
            self._loading.append(model)
            self.send(self.load)

    def send(self, order: Command) -> None:
        """Give an order. That the engine is dead is told by the next `poll`."""
        if self._connection is None:
            raise EngineDied
        try:
            self._connection.send(order)
        except OSError:
            log.warning("engine.deaf", order=type(order).__name__)

    def poll(self, timeout_s: float) -> Event | None:
        """The next answer, or None if there is none within `timeout_s`. Raises EngineDied."""
        if self._connection is None:
            raise EngineDied
        try:
            answer: Event | None = self._connection.recv() if self._connection.poll(timeout_s) else None
        except (EOFError, OSError) as error:
            self.kill()
            raise EngineDied from error
        if isinstance(answer, Ready):
            self._has(answer)
        if isinstance(answer, NotLoaded):
            self._lacks(answer)
        return answer

    def drain_messages(self) -> None:
        """Between two jobs: hear what it has to say of a model that it loads. That it died is not told, but known."""
        try:
            while self._process is not None and self.poll(0) is not None:
                continue
        except EngineDied:
            log.error("engine.died")

    def make_room(self) -> bool:
        """After it ran out of memory: have the latest model without others from now on. False if it was alone."""
        if len(self.loaded) < 2:
            return False
        self._loners.add(self.load.model)
        log.info("engine.makes_room", model=self.load.model)
        return True

    def may_load(self, model: str) -> bool:
        """Whether the engine did not die over this model the last time it loaded it."""
        return not self._crashes[model]

    @contextmanager
    def saving_memory(self) -> Iterator[None]:
        """Inside, a new engine in the next smaller memory profile; afterwards the next one is as it was."""
        load = self.load
        memory = LOWER[self.memory]
        self.kill()
        self.load = replace(load, memory=memory)
        log.info("engine.saves_memory", memory=memory)
        try:
            yield
        finally:
            self.kill()
            self.load = load

    def kill(self) -> None:
        """End the process now, whatever it is doing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            code = self._process.wait()
            log.info("engine.ended", engine_pid=self._process.pid, code=code)
            self._process = None
            self._note_crash()
        self._hold({})

    def stop(self) -> None:
        """Ask the engine to end, and end it if it does not within some seconds."""
        if self._process is None:
            return
        self.send(Shutdown())
        deadline = time.monotonic() + STOP_PATIENCE_S
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.kill()

    def _spawn(self) -> None:
        self.kill()
        ours, theirs = Pipe()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen([*self.command, str(number)], pass_fds=[number], stdin=subprocess.DEVNULL)
        self._connection = ours
        log.info("engine.started", engine_pid=self._process.pid)

    def _has(self, answer: Ready) -> None:
        self._arrived(answer.card.name)
        self._crashes.pop(answer.card.name, None)
        metrics.LOADS.labels(answer.card.name).observe(answer.seconds)
        for name in answer.dropped:
            metrics.DROPPED.labels(name).inc()
        self._hold(answer.loaded)

    def _lacks(self, answer: NotLoaded) -> None:
        if not answer.is_fatal:  # else it is the engine that is to blame
            self._arrived(answer.model)
            self.broken[answer.model] = answer.reason

    def _arrived(self, model: str) -> None:
        if model in self._loading:
            self._loading.remove(model)

    def _note_crash(self) -> None:
        if not self._loading:
            return
        model = self._loading[0]
        self._loading = []
        self._crashes[model] += 1
        if self._crashes[model] >= MAX_CRASHES:
            self.broken[model] = f"the engine ended {MAX_CRASHES} times while it loaded it"

    def _hold(self, loaded: Mapping[str, Loaded]) -> None:
        for name in self.loaded.keys() - loaded.keys():
            metrics.WEIGHTS.labels(name).set(0)
        for name, held in loaded.items():
            metrics.WEIGHTS.labels(name).set(held.weights_bytes)
        self.loaded = loaded
