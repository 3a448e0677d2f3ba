"""`python -m benchmarks.preemption`: the CPU time of keeper and Redis for preemption, with real queues and records.

The keeper looks at the queues four times a second. Each row is the share of a core that this takes.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from benchmarks.submit import REQUEST, cpu_s
from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from easyanimate.tiny import TINY_MODEL, copy_tiny_model
from jobs.model.job import Job, new_job_id
from jobs.model.model_card import ModelCard
from jobs.model.states import Priority
from jobs.queue.registry import Registry
from jobs.queue.workers import WorkerDirectory, WorkerEntry
from jobs.store.callers.submission import CallerJobs
from jobs.store.leases import WorkerJobs
from jobs.store.transitions import JobTable
from jobs.version import VERSION
from worker.keeper.preemption import PREEMPTION_SWEEP_S, PreemptionSweeper
from worker.models.cards import read_card

CALLERS = 50
SWEEPS, ROUNDS = 20, 5
LEASE_S = 3600.0  # longer than the measurement


@dataclass(frozen=True)
class Case:
    """An installation: each of `models` has busy workers, and normal and urgent jobs that wait."""

    name: str
    models: int = 1
    workers: int = 8
    waiting: int = 0
    urgent: int = 0


CASES = (
    Case("8 busy workers, no waiting job"),
    Case("8 busy workers, 1,000 waiting jobs", waiting=1000),
    Case("the same, and 8 urgent jobs", waiting=1000, urgent=8),
    Case("20 models, each with 8 busy workers and 50 waiting jobs", models=20, waiting=50),
)


class Installation:
    """The jobs and workers of a case in Redis."""

    def __init__(self, redis: Redis, card: ModelCard, case: Case) -> None:
        self.table, self.card, self.case = JobTable(redis, lease_s=LEASE_S), card, case
        self.callers, self.workers = CallerJobs(self.table), WorkerJobs(self.table)
        self.names = [f"m{number}" for number in range(case.models)]

    def fill(self) -> None:
        """Submits all jobs; each worker leases one."""
        self.announce()
        for model in self.names:
            for number in range(self.case.workers):
                self.workers.lease(self._submit(model, Priority.NORMAL, number), f"{model}-{number}")
            for number in range(self.case.waiting):
                self._submit(model, Priority.NORMAL, number)
            for number in range(self.case.urgent):
                self._submit(model, Priority.HIGH, number)

    def announce(self) -> None:
        """Announces the workers, whose entries expire after seconds."""
        for model in self.names:
            for number in range(self.case.workers):
                Registry(self.table.redis).announce(self.card.model_copy(update={"name": model}), f"{model}-{number}")
                entry = {"name": f"{model}-{number}", "host": "h", "pid": 1, "started_at": 1.0, "version": VERSION}
                entry |= {"models": (model,), "loaded_models": (model,)}
                WorkerDirectory(self.table.redis).announce(WorkerEntry.model_validate(entry))

    def _submit(self, model: str, priority: Priority, number: int) -> str:
        request = REQUEST.model_copy(update={"model": model})
        owner = f"caller-{number % CALLERS}"
        job = Job(id=new_job_id(), owner=owner, request=request, created_at=self.table.now(), priority=priority)
        self.callers.submit_all([job])
        return job.id


def measure(case: Case, card: ModelCard) -> tuple[float, float]:
    """Milliseconds of the keeper's CPU and of that of Redis for one sweep; the minimum of the rounds."""
    with _server() as server, Redis.from_url(server.url) as redis:
        installation = Installation(redis, card, case)
        installation.fill()
        sweeper = PreemptionSweeper(installation.table)
        sweeper.sweep()  # asks the running jobs for the urgent ones, which no worker here answers
        rounds = []
        for _ in range(ROUNDS):
            installation.announce()
            rounds.append(_round(sweeper, server))
    return min(rounds)


def _round(sweeper: PreemptionSweeper, server: EmbeddedRedis) -> tuple[float, float]:
    before = time.process_time(), cpu_s(server)
    for _ in range(SWEEPS):
        sweeper.sweep()
    own, redis = ((b - a) / SWEEPS * 1000 for a, b in zip(before, (time.process_time(), cpu_s(server)), strict=True))
    return own, redis


@contextmanager
def _server() -> Iterator[EmbeddedRedis]:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder), free_port()).start()
        try:
            yield server
        finally:
            server.stop()


def main() -> None:
    """Prints the table: the CPU time of a sweep in the keeper and in Redis, for each installation."""
    with tempfile.TemporaryDirectory() as folder:
        card = read_card(copy_tiny_model(Path(folder) / TINY_MODEL))
    print("| installation | keeper, ms of CPU a sweep | Redis, ms | share of a core, both |\n|---|---|---|---|")
    for case in CASES:
        own, redis = measure(case, card)
        share = 100 * (own + redis) / 1000 / PREEMPTION_SWEEP_S
        print(f"| {case.name} | {own:.2f} | {redis:.2f} | {share:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
