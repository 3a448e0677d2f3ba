"""Asks running jobs to give their workers to waiting ones of higher priority, if `EASYANIMATE_PREEMPTION` says so."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import structlog

from jobs.queue.load import running_key
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import SetAside, readable_names
from jobs.store.keeper.preemption import Preemptions
from jobs.store.transitions import JobTable
from worker.crash_points import crash_point

log = structlog.get_logger()

PREEMPTION_SWEEP_S = 0.25
FREE_FOR_S = 3.0  # a free worker leases a job within a second; one that does not is lost, or cannot run the job


@dataclass
class PreemptionSweeper:
    """Several keepers may run: a request is a compare-and-set on the record of the running job."""

    table: JobTable
    clock: Callable[[], float] = time.monotonic
    _free_since: dict[str, float] = field(default_factory=dict)  # by model, while urgent jobs wait beside free workers

    def __post_init__(self) -> None:
        self.jobs = Preemptions(self.table)
        self._models = SetAside(self.table.redis, "queue")

    def sweep(self) -> None:
        """Withdraws requests that are not needed, and makes those for the waiting jobs of each model."""
        for job_id in self.jobs.withdraw_unneeded():
            log.info("preemption.withdrawn", job_id=job_id)
        for model in self._models.others(card.name for card in self.jobs.registry.cards()):
            with self._models.guard(model):
                self._sweep_model(model)

    def _sweep_model(self, model: str) -> None:
        requested = set(self.jobs.pending())
        while self._request_for_next(model, requested):
            continue

    def _request_for_next(self, model: str, requested: set[str]) -> bool:
        """Asks for a worker for the next urgent job that is not in `requested`, and adds it; False if there is none."""
        running = None
        for urgent in self.jobs.next_urgent(model, requested):
            running = running or self.jobs.running()
            if not running.outranked_by(urgent):
                continue
            workers = self.jobs.live_workers(model)
            if self._may_be_free(model, workers.has_free(model, running, self._running_of(model))):
                return False
            victim = self.jobs.victim(urgent, running, workers)
            if victim is not None:
                requested.add(urgent.id)
                if self.jobs.request(urgent, victim):
                    log.info("preemption.requested", job_id=victim.id, urgent_id=urgent.id, model=model)
                    crash_point("preemption.requested")
                return True
        self._free_since.pop(model, None)
        return False

    def _may_be_free(self, model: str, has_free: bool) -> bool:
        """Whether to wait for a free worker; only for some seconds."""
        if not has_free:
            self._free_since.pop(model, None)
            return False
        return self.clock() - self._free_since.setdefault(model, self.clock()) < FREE_FOR_S

    def _running_of(self, model: str) -> list[str]:
        with redis_errors():
            return readable_names(cast(set[bytes], self.table.redis.smembers(running_key(model))))
