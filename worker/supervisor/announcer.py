"""Announces every few seconds the models that this worker serves and has loaded, and its LoRAs."""

import time
from pathlib import Path
from threading import Event, Thread

import structlog

from jobs.errors import QueueUnavailable
from jobs.queue.registry import Registry
from worker.attempt.engine_process import EngineProcess
from worker.models.lora_index import list_lora_files
from worker.models.served import ServedModels
from worker.supervisor.rq_worker import RQWorker

log = structlog.get_logger()

ANNOUNCE_EVERY_S = 10.0
CHECK_EVERY_S = 0.5  # for changes, which are announced at once


class Announcer:
    """A thread that keeps this worker in the registry, and its entry in RQ alive, from `start` to `stop`."""

    def __init__(
        self,
        registry: Registry,
        served: ServedModels,
        engine: EngineProcess,
        rq_worker: RQWorker,
        worker: str,
        models_dir: Path,
    ) -> None:
        self.registry = registry
        self.served = served
        self.engine = engine
        self.rq_worker = rq_worker
        self.worker = worker
        self.models_dir = models_dir
        self._announced: set[str] = set()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Announces the models now and until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Withdraws the models; when Redis is away, the announcement expires."""
        self._stopped.set()
        self._thread.join()
        try:
            self._withdraw(self._announced)
        except QueueUnavailable:
            log.warning("redis.away")

    def _run(self) -> None:
        announced, announced_at = None, 0.0
        while True:
            models = list(self.served.cards), set(self.engine.loaded)
            if models != announced or time.monotonic() - announced_at >= ANNOUNCE_EVERY_S:
                announced, announced_at = models, time.monotonic()
                self._announce(models[1])
            if self._stopped.wait(CHECK_EVERY_S):
                return

    def _announce(self, loaded: set[str]) -> None:
        try:
            cards = self.served.cards
            loras = list_lora_files(self.models_dir)
            for name, card in cards.items():
                with_loras = card.model_copy(update={"loras": loras})
                self.registry.announce(with_loras, self.worker, is_loaded=name in loaded)
                self._announced.add(name)
            self._withdraw(self._announced - cards.keys())
            self.rq_worker.heartbeat()
        except OSError as error:
            log.warning("loras.unreadable", reason=error.strerror)
        except QueueUnavailable:
            log.warning("redis.away")

    def _withdraw(self, models: set[str]) -> None:
        for name in models:
            self.registry.withdraw(name, self.worker)
        self._announced = self._announced - models
