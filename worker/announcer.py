"""Tells everybody every few seconds that this worker serves its model, and which LoRAs it has."""

from pathlib import Path
from threading import Event, Thread

import structlog

from jobs.errors import QueueUnavailable
from jobs.model_card import ModelCard
from jobs.registry import Registry
from worker.lora_shelf import shelf

log = structlog.get_logger()

EVERY_S = 10.0


class Announcer:
    """From `start` to `stop` the registry knows this worker."""

    def __init__(self, registry: Registry, card: ModelCard, worker: str, models_dir: Path) -> None:
        self.registry = registry
        self.card = card
        self.models_dir = models_dir
        self.worker = worker
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
            self.registry.withdraw(self.card.name, self.worker)
        except QueueUnavailable:
            log.warning("redis.away")

    def _run(self) -> None:
        while True:
            try:
                self.registry.announce(self.card.model_copy(update={"loras": shelf(self.models_dir)}), self.worker)
            except OSError as error:
                log.warning("loras.unreadable", reason=error.strerror)
            except QueueUnavailable:
                log.warning("redis.away")
            if self._stopped.wait(EVERY_S):
                return
