"""Tells everybody every few seconds which models this worker serves, which are loaded, and which LoRAs it has."""

import time
from pathlib import Path
from threading import Event, Thread

import structlog

from jobs.errors import QueueUnavailable
from jobs.queue.registry import Registry
from worker.attempt.engine_process import EngineProcess
from worker.models.lora_index import list_lora_files
from worker.models.served import ServedModels

log = structlog.get_logger()

EVERY_S = 10.0
LOOK_S = 0.5  # for what has changed, which is told at once


class Announcer:
    """From `start` to `stop` the registry knows this worker."""

    def __init__(
        self, registry: Registry, served: ServedModels, engine: EngineProcess, worker: str, models_dir: Path
    ) -> None:
        self.registry = registry
        self.served = served
        self.engine = engine
        self.models_dir = models_dir
        self.worker = worker
        self._announced: set[str] = set()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Announce now and from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take the announcement back; if Redis is away it runs out by itself."""
        self._stopped.set()
        self._thread.join()
        try:
            self._withdraw(self._announced)
        except QueueUnavailable:
            log.warning("redis.away")

    def _run(self) -> None:
        told, told_at = None, 0.0
        while True:
            now = list(self.served.cards), set(self.engine.loaded)
            if now != told or time.monotonic() - told_at >= EVERY_S:
                told, told_at = now, time.monotonic()
                self._tell(now[1])
            if self._stopped.wait(LOOK_S):
                return

    def _tell(self, loaded: set[str]) -> None:
        try:
            cards = self.served.cards
            loras = list_lora_files(self.models_dir)
            for name, card in cards.items():
                known = card.model_copy(update={"loras": loras})
                self.registry.announce(known, self.worker, is_loaded=name in loaded)
                self._announced.add(name)
            self._withdraw(self._announced - cards.keys())
        except OSError as error:
            log.warning("loras.unreadable", reason=error.strerror)
        except QueueUnavailable:
            log.warning("redis.away")

    def _withdraw(self, models: set[str]) -> None:
        for name in models:
            self.registry.withdraw(name, self.worker)
        self._announced = self._announced - models
