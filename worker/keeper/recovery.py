"""Queues the jobs of lost workers again and expires jobs past their deadline."""

import time

import structlog

from jobs.queue.registry import Registry
from jobs.redis.unreadable import SetAside
from jobs.store.keeper.recovery import KeeperJobs
from jobs.store.transitions import JobTable
from worker import metrics
from worker.crash_points import crash_point
from worker.keeper.periodic_task import run_steps
from worker.keeper.unserved import UnservedModels
from worker.settings import KeeperSettings

log = structlog.get_logger()


class RecoverySweeper:
    """Recovers jobs whose lease has expired, expires late jobs and repairs tickets.

    Leases may expire because Redis does not answer, or because its clock is set forward. After such a gap, and at its
    start, the keeper waits for the time of a lease, in which workers renew theirs.
    """

    def __init__(self, store: JobTable, settings: KeeperSettings) -> None:
        self.jobs = KeeperJobs(store)
        self.registry = Registry(store.redis)
        self.unserved = UnservedModels(self.registry, settings.unserved_after_s)
        # The longest time between two sweeps without an outage. A heartbeat is due every third of a lease, and after a
        # failure every sixth: a worker that was cut off for this time renews its lease before it expires.
        self.max_gap_s = settings.sweep_s + store.lease_s / 4
        self._models = SetAside(store.redis, "queue")  # models whose queue cannot be repaired
        self._answered_at = self._redis_answered_at = float("-inf")  # by the clocks of this host and of Redis
        self._recovers_at = 0.0

    def sweep(self) -> None:
        """Checks all leases, deadlines and models once. Raises the error of a step after the others."""
        run_steps(
            (self._recover_lost, self._expire_late, self._repair_queues, self._fail_retired, self._note_answer),
        )

    def _note_answer(self) -> None:
        self._answered_at, self._redis_answered_at = time.monotonic(), self.jobs.table.now()

    def _recover_lost(self) -> None:
        overdue = self.jobs.overdue()
        for job_id in overdue if self._has_waited() else ():
            self._recover(job_id)

    def _expire_late(self) -> None:
        for job_id in self.jobs.expire_late():
            log.info("job.expired", job_id=job_id)

    def _repair_queues(self) -> None:
        for model in self._models.others(card.name for card in self.registry.cards()):
            with self._models.guard(model):
                self.jobs.reconcile_tickets(model)
                self.unserved.check(model)

    def _fail_retired(self) -> None:
        for model in self._models.others(self.registry.retired()):
            with self._models.guard(model):
                for job_id in self.jobs.fail_retired(model):
                    log.info("job.failed", job_id=job_id, code="model_retired", model=model)

    def _recover(self, job_id: str) -> None:
        crash_point("keeper.found")
        job = None
        with self.jobs.unreadable.guard(job_id):  # a fault of this record alone
            job = self.jobs.recover(job_id)
        crash_point("keeper.recovered")
        if job is not None:
            metrics.RECOVERED.inc()
            log.warning("job.recovered", job_id=job_id, attempt=job.attempt, state=job.state)

    def _has_waited(self) -> bool:
        """Whether Redis, which has just answered, has done so for the time of a lease."""
        now = time.monotonic()
        gap_s = max(now - self._answered_at, self.jobs.table.now() - self._redis_answered_at)
        if gap_s > self.max_gap_s:
            self._recovers_at = now + self.jobs.table.lease_s
        return now >= self._recovers_at
