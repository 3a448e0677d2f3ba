"""Announces every few seconds the models that this worker serves and has loaded, its LoRAs, and why it is idle."""

import time
from collections.abc import Collection
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import structlog

from jobs.errors import QueueUnavailable, RecordUnreadable
from jobs.model.model_card import Lora
from jobs.model.states import IdleReason
from jobs.queue.vocabularies import Vocabulary
from worker.models.lora_index import list_lora_files
from worker.supervisor.supervisor import Supervisor

log = structlog.get_logger()

ANNOUNCE_EVERY_S = 10.0
CHECK_EVERY_S = 0.5  # for changes, which are announced at once


class Announcer:
    """A thread that keeps this worker in the registry, and its entry in RQ alive, from `start` to `stop`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor, self.context = supervisor, supervisor.context
        self._announced: set[str] = set()
        self._loras: tuple[Lora, ...] = ()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Announces the models now and until `stop`."""
        self._thread.start()

    def fault(self) -> str | None:
        """What is wrong with the thread, or None."""
        is_alive = self._thread.is_alive() or self._stopped.is_set()
        return None if is_alive else "the thread announcer has ended"

    def stop(self) -> None:
        """Withdraws the models; when Redis is away, the announcement expires."""
        self._stopped.set()
        self._thread.join()
        with suppress(QueueUnavailable):
            self._withdraw(self._announced)

    def _run(self) -> None:
        announced, announced_at = None, 0.0
        while True:
            loaded, idle = set(self.context.engine.loaded), self.supervisor.idle_reason
            current = list(self.context.served.cards), loaded, idle
            if current != announced or time.monotonic() - announced_at >= ANNOUNCE_EVERY_S:
                announced, announced_at = current, time.monotonic()
                self._announce(loaded, idle)
            if self._stopped.wait(CHECK_EVERY_S):
                return

    def _announce(self, loaded: set[str], idle: IdleReason | None) -> None:
        self._announce_signer()
        try:
            cards = self.context.served.cards
            self._loras = self._list_loras()
            for name, card in cards.items():
                with_loras = card.model_copy(update={"loras": self._loras})
                options: dict[str, Any] = {"is_loaded": name in loaded, "idle": idle}
                self.supervisor.registry.announce(with_loras, self.supervisor.name, **options)
                self._announced.add(name)
            self._withdraw(self._announced - cards.keys())
            for name in self.context.served.withdrawn:
                self.supervisor.registry.withdraw(name, self.supervisor.name, is_broken=True)
        except QueueUnavailable:
            log.warning("redis.away")
        except Exception:  # without announcements the jobs of these models would wait
            log.exception("announcement.failed")
        try:
            self.supervisor.rq_worker.heartbeat()
        except QueueUnavailable:
            log.warning("redis.away")
        except Exception:  # it informs operators only, and must not end the announcements
            log.exception("rq.heartbeat_failed")
        self._announce_vocabularies(self.context.served.cards)

    def _announce_signer(self) -> None:
        try:
            self.supervisor.signers.announce(self.context.marker.credentials.chain)
        except QueueUnavailable:
            log.warning("redis.away")
        except Exception:  # it must not stop the announcement of the models
            log.exception("signer.not_announced")

    def _list_loras(self) -> tuple[Lora, ...]:
        """The LoRA files; those of the last time while the folder cannot be read, as on a disk of the network."""
        try:
            return list_lora_files(self.context.settings.models_dir)
        except OSError as error:
            log.warning("loras.unreadable", reason=error.strerror)
            return self._loras

    def _announce_vocabularies(self, cards: Collection[str]) -> None:
        """Announces those of served models. Without one, front ends count no tokens of that model."""
        for name, vocabulary in dict(self.context.engine.vocabularies).items():
            if name in cards:
                self._announce_vocabulary(name, vocabulary)

    def _announce_vocabulary(self, model: str, vocabulary: Vocabulary) -> None:
        try:
            self.supervisor.vocabularies.announce(model, vocabulary)
        except (QueueUnavailable, RecordUnreadable) as error:
            log.warning("vocabulary.not_announced", model=model, reason=str(error))
        except Exception:  # those of other models must be announced
            log.exception("vocabulary.not_announced", model=model)

    def _withdraw(self, models: set[str]) -> None:
        for name in models:
            self.supervisor.registry.withdraw(name, self.supervisor.name)
        self._announced = self._announced - models
