"""Queues the jobs of lost workers again and expires jobs past their deadline."""

from threading import Event

import structlog

from jobs.errors import QueueUnavailable
from jobs.queue.registry import Registry
from jobs.store.keeper.recovery import JobStore
from worker import metrics
from worker.crash_points import crash_point
from worker.keeper.unserved import UnservedModels
from worker.settings import KeeperSettings

log = structlog.get_logger()


class RecoverySweeper:
    """Looks for jobs that nobody works on any more."""

    def __init__(self, store: JobStore, settings: KeeperSettings) -> None:
        self.store = store
        self.settings = settings
        self.registry = Registry(store.redis)
        self.unserved = UnservedModels(self.registry, settings.unserved_after_s)

    def run(self, stopped: Event) -> None:
        """Sweep until `stopped`. After Redis was away, first let the workers beat again: they are not dead."""
        pause_s = self.settings.sweep_s
        while not stopped.wait(pause_s):
            try:
                self.sweep()
                pause_s = self.settings.sweep_s
            except QueueUnavailable:
                log.warning("redis.away")
                pause_s = self.settings.lease_s
            except Exception:
                log.exception("sweep.failed")

    def sweep(self) -> None:
        """Once over everything."""
        for job_id in self.store.overdue():
            crash_point("keeper.found")
            job = self.store.recover(job_id)
            crash_point("keeper.recovered")
            if job is not None:
                metrics.RECOVERED.inc()
                log.warning("job.recovered", job_id=job_id, attempt=job.attempt, state=job.state)
        for job_id in self.store.expire_late():
            log.info("job.expired", job_id=job_id)
        for card in self.registry.cards():
            self.store.reconcile_tickets(card.name)
            self.unserved.check(card.name)
