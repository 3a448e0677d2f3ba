"""Queues the jobs of lost workers again and expires jobs past their deadline."""

import structlog

from jobs.queue.registry import Registry
from jobs.store.keeper.recovery import KeeperJobs
from jobs.store.transitions import JobTable
from worker import metrics
from worker.crash_points import crash_point
from worker.keeper.unserved import UnservedModels
from worker.settings import KeeperSettings

log = structlog.get_logger()


class RecoverySweeper:
    """Recovers jobs whose lease has expired, expires late jobs and repairs tickets."""

    def __init__(self, store: JobTable, settings: KeeperSettings) -> None:
        self.jobs = KeeperJobs(store)
        self.registry = Registry(store.redis)
        self.unserved = UnservedModels(self.registry, settings.unserved_after_s)

    def sweep(self) -> None:
        """Checks all leases, deadlines and models once."""
        for job_id in self.jobs.overdue():
            crash_point("keeper.found")
            job = self.jobs.recover(job_id)
            crash_point("keeper.recovered")
            if job is not None:
                metrics.RECOVERED.inc()
                log.warning("job.recovered", job_id=job_id, attempt=job.attempt, state=job.state)
        for job_id in self.jobs.expire_late():
            log.info("job.expired", job_id=job_id)
        for card in self.registry.cards():
            self.jobs.reconcile_tickets(card.name)
            self.unserved.check(card.name)
