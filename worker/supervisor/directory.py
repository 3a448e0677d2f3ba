"""Keeps the entry of this worker in the directory of workers, and begins the drain that an operator requests there."""

import os
import socket
from contextlib import suppress
from threading import Event, Thread
from time import monotonic

import structlog

from jobs.errors import QueueUnavailable
from jobs.queue.wakeup import wait_for_wakeup
from jobs.queue.workers import WorkerDirectory, WorkerEntry
from jobs.version import VERSION
from worker.supervisor.supervisor import Supervisor, begin_requested_shutdown

log = structlog.get_logger()

ANNOUNCE_EVERY_S = 10.0
LISTEN_S = 1.0  # per call; then changes of this worker are announced
REDIS_PAUSE_S = 0.5
STOP_TIMEOUT_S = 5.0


class DirectoryThread:
    """A thread that announces what this worker does, and receives requests to drain, from `start` to `stop`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor, self.context = supervisor, supervisor.context
        self.redis = self.context.store.table.redis
        self.directory = WorkerDirectory(self.redis)
        self._started_at: float | None = None  # by the clock of Redis, as all times of an entry
        self._announced: tuple[WorkerEntry | None, float] = None, 0.0
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="directory", daemon=True)

    def start(self) -> None:
        """Announces the worker now and until `stop`."""
        self._thread.start()

    def fault(self) -> str | None:
        """What is wrong with the thread, or None."""
        is_alive = self._thread.is_alive() or self._stopped.is_set()
        return None if is_alive else "the thread directory has ended"

    def stop(self) -> None:
        """Withdraws the entry; when Redis is away, it expires."""
        self._stopped.set()
        self._thread.join(STOP_TIMEOUT_S)
        with suppress(QueueUnavailable):
            self.directory.withdraw(self.supervisor.name)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._announce()
                if not self._begin_requested_drain():
                    wait_for_wakeup(self.redis, self.supervisor.name, LISTEN_S)
                    continue
            except QueueUnavailable:
                log.warning("redis.away")
            except Exception:  # without the thread an operator could not drain this worker
                log.exception("directory.failed")
            self._stopped.wait(REDIS_PAUSE_S)

    def _begin_requested_drain(self) -> bool:
        """Begins the drain if an operator has requested it. Whether the worker drains, for this or another reason."""
        drain = self.context.drain
        if not drain.has_begun and self.directory.is_drain_requested(self.supervisor.name):
            log.info("drain.requested", worker=self.supervisor.name)
            begin_requested_shutdown(drain)
        return drain.has_begun

    def _announce(self) -> None:
        """Announces the worker after a change, and before its entry expires."""
        entry, (announced, announced_at) = self._entry(), self._announced
        if entry != announced or monotonic() - announced_at >= ANNOUNCE_EVERY_S:
            self.directory.announce(entry)
            self._announced = entry, monotonic()

    def _entry(self) -> WorkerEntry:
        if self._started_at is None:
            self._started_at = self.context.store.table.now()
        job = self.supervisor.running_job
        return WorkerEntry(
            name=self.supervisor.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            started_at=self._started_at,
            models=tuple(self.context.served.cards),
            loaded_models=tuple(sorted(self.context.engine.loaded)),
            reason=self.supervisor.idle_reason,
            job_id=None if job is None else job.id,
            drain_ends_at=self._drain_ends_at(),
        )

    def _drain_ends_at(self) -> float | None:
        """When the drain releases the running job; the same value until then, so that it is announced once."""
        announced = self._announced[0]
        if not self.context.drain.has_begun:
            return None
        if announced is not None and announced.drain_ends_at is not None:
            return announced.drain_ends_at
        return round(self.context.store.table.now() + self.context.drain.remaining_s, 1)
