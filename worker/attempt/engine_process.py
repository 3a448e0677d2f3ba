"""The engine process as the supervisor sees it: start, commands, events, crashes and stop."""

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

from jobs.queue.vocabularies import Vocabulary
from worker import metrics
from worker.load_options import Memory
from worker.protocol.messages import Command, DeviceMemory, Event, Loaded, LoadModel, NotLoaded, Ready, Shutdown

log = structlog.get_logger()

LOWER: dict[Memory, Memory] = {"normal": "low", "low": "lowest"}  # each memory profile with the next smaller one
COMMAND = (sys.executable, "-m", "worker.engine")
STOP_TIMEOUT_S = 5.0
MAX_CRASHES = 3  # of the engine in a row while it loads a model; then the model is broken


class EngineDied(Exception):
    """The engine process has exited."""


class EngineProcess:
    """Starts a new engine when the last one died.

    Only one thread may use it, but all may read `loaded` and `vocabularies`.
    `broken` holds the models that cannot be loaded, each with the reason.
    """

    def __init__(self, load: LoadModel, command: Sequence[str] = COMMAND) -> None:
        self.load = load  # the latest command of its kind
        self.command = command
        self.loaded: Mapping[str, Loaded] = {}
        self.broken: dict[str, str] = {}
        self.vocabularies: Mapping[str, Vocabulary] = {}  # of all models that were loaded
        self._loading: list[str] = []  # requested and not yet answered; the engine loads the first of them
        self._crashes: Counter[str] = Counter()  # by model, in a row, while loading it
        self._exclusive: set[str] = set()  # these ran out of memory beside other models
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The id of the latest process; None if there is none."""
        return self._process.pid if self._process else None

    @property
    def is_ready(self) -> bool:
        """Whether the latest requested model is loaded."""
        return self.load.model in self.loaded and self.load.model not in self._loading

    @property
    def memory(self) -> Memory:
        """The memory profile of the latest requested model; "auto" until the engine has chosen one."""
        held = self.loaded.get(self.load.model)
        return held.memory if held else self.load.memory

    def start(self, model: str | None = None) -> None:
        """Starts the process if none runs, and loads `model`, by default the latest one, if it is not loaded."""
        model = model or self.load.model
        alone = model in self._exclusive
        self.load = replace(self.load, folder=self.load.folder.with_name(model), alone=alone)
        if self._process is None or self._process.poll() is not None:
            self._spawn()
        if model not in self._loading and (model not in self.loaded or (alone and len(self.loaded) > 1)):
            self._loading.append(model)
            self.send(self.load)

    def send(self, command: Command) -> None:
        """Sends a command. If the engine is dead, the next `poll` raises EngineDied."""
        if self._connection is None:
            raise EngineDied
        try:
            self._connection.send(command)
        except OSError:
            log.warning("engine.unreachable", command=type(command).__name__)

    def poll(self, timeout_s: float) -> Event | None:
        """The next event, or None if there is none within `timeout_s`. Raises EngineDied."""
        if self._connection is None:
            raise EngineDied
        try:
            event: Event | None = self._connection.recv() if self._connection.poll(timeout_s) else None
        except (EOFError, OSError) as error:
            self.kill()
            raise EngineDied from error
        if isinstance(event, Ready):
            self._on_ready(event)
        if isinstance(event, NotLoaded):
            self._on_not_loaded(event)
        if isinstance(event, DeviceMemory):
            metrics.GPU_USED.set(event.used_bytes)
            metrics.GPU_TOTAL.set(event.total_bytes)
        return event

    def drain_messages(self) -> None:
        """Handles the events that came between two jobs; a dead engine is only logged."""
        try:
            while self._process is not None and self.poll(0) is not None:
                continue
        except EngineDied:
            log.error("engine.died")

    def make_room(self) -> bool:
        """Loads the latest model without others from now on, after it ran out of memory. False if it was alone."""
        if len(self.loaded) < 2:
            return False
        self._exclusive.add(self.load.model)
        metrics.MEMORY_RETRIES.labels(metrics.ALONE).inc()
        log.info("engine.makes_room", model=self.load.model)
        return True

    def may_load(self, model: str) -> bool:
        """Whether the engine survived its latest load of this model."""
        return not self._crashes[model]

    @contextmanager
    def in_smaller_profile(self) -> Iterator[None]:
        """Inside, a new engine runs in the next smaller memory profile. The engine after it has the old profile."""
        load = self.load
        memory = LOWER[self.memory]
        self.kill()
        self.load = replace(load, memory=memory)
        metrics.MEMORY_RETRIES.labels(metrics.SMALLER_PROFILE).inc()
        log.info("engine.saves_memory", memory=memory)
        try:
            yield
        finally:
            self.kill()
            self.load = load

    def kill(self) -> None:
        """Kills the process."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            code = self._process.wait()
            log.info("engine.ended", engine_pid=self._process.pid, code=code)
            self._process = None
            self._record_crash()
        self._set_loaded({})

    def stop(self) -> None:
        """Sends Shutdown, and kills the process if it does not exit in time."""
        if self._process is None:
            return
        self.send(Shutdown())
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.kill()

    def _spawn(self) -> None:
        self.kill()
        connection, engine_connection = Pipe()
        with engine_connection:
            number = engine_connection.fileno()
            self._process = subprocess.Popen([*self.command, str(number)], pass_fds=[number], stdin=subprocess.DEVNULL)
        self._connection = connection
        metrics.ENGINE_STARTS.inc()
        log.info("engine.started", engine_pid=self._process.pid)

    def _on_ready(self, event: Ready) -> None:
        self._loading = [model for model in self._loading if model != event.card.name]
        self._crashes.pop(event.card.name, None)
        metrics.LOADS.labels(event.card.name).observe(event.seconds)
        for name in event.dropped:
            metrics.DROPPED.labels(name).inc()
        if event.vocabulary is not None:
            self.vocabularies = {**self.vocabularies, event.card.name: event.vocabulary}
        self._set_loaded(event.loaded)

    def _on_not_loaded(self, event: NotLoaded) -> None:
        if not event.is_fatal:  # a fatal error is the engine's, not the model's
            self._loading = [model for model in self._loading if model != event.model]
            self.broken[event.model] = event.reason

    def _record_crash(self) -> None:
        if not self._loading:
            return
        model = self._loading[0]
        self._loading = []
        self._crashes[model] += 1
        if self._crashes[model] >= MAX_CRASHES:
            self.broken[model] = f"the engine died {MAX_CRASHES} times while it loaded the model"

    def _set_loaded(self, loaded: Mapping[str, Loaded]) -> None:
        for name in self.loaded.keys() - loaded.keys():
            metrics.WEIGHTS.labels(name).set(0)
        for name, held in loaded.items():
            metrics.WEIGHTS.labels(name).set(held.weights_bytes)
        self.loaded = loaded
