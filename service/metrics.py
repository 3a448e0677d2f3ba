"""What Prometheus scrapes: the requests of this process, and the state of the whole installation out of Redis.

Every front end tells the same of the installation, so one of them is enough for that; requests are each one's own.
"""

from collections.abc import Iterator, Mapping

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs.errors import JobNotFound, QueueUnavailable
from jobs.queue import fair_queue
from jobs.queue.registry import Registry
from jobs.store import counters
from jobs.store.keeper.recovery import JobStore

log = structlog.get_logger()


# What is counted for all processes in Redis: name of the tally -> name of the metric, what it says, its labels.
TALLIES = {
    counters.JOBS: ("easyanimate_jobs", "Jobs that ended.", ("model", "state", "code")),
    counters.ATTEMPTS: ("easyanimate_attempts", "Attempts that ended.", ("model", "outcome")),
    counters.DELIVERIES: ("easyanimate_webhook_deliveries", "Tries to deliver a webhook.", ("outcome",)),
    counters.PHASE_SECONDS: ("easyanimate_phase_seconds", "Seconds that finished jobs spent.", ("model", "phase")),
    counters.PHASE_COUNT: ("easyanimate_phases", "Phases that finished jobs went through.", ("model", "phase")),
}


class Installation(Collector):
    """The queues, the workers and the tallies, read when somebody asks. Without Redis there is only `redis_up` 0."""

    def __init__(self, store: JobStore) -> None:
        self.store = store

    def collect(self) -> Iterator[Metric]:
        """Everything that is read from Redis at this moment; `easyanimate_redis_up` alone while it is away."""
        try:
            found = [*self._queues(), *self._tallies(counters.read_tally(self.store.redis))]
        except QueueUnavailable:
            log.warning("redis.away")
            found = []
        yield GaugeMetricFamily("easyanimate_redis_up", "Whether Redis answers.", value=float(bool(found)))
        yield from found

    def _queues(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("easyanimate_queue_depth", "Jobs that wait.", labels=["model"])
        age = GaugeMetricFamily(
            "easyanimate_queue_head_age_seconds", "How long the next job to be taken has waited.", labels=["model"]
        )
        workers = GaugeMetricFamily("easyanimate_workers", "Workers that live.", labels=["model"])
        loaded = GaugeMetricFamily("easyanimate_workers_loaded", "Those that have the model loaded.", labels=["model"])
        registry = Registry(self.store.redis)
        for card in registry.cards():
            depth.add_metric([card.name], self.store.queue_depth(card.name))
            age.add_metric([card.name], self._head_age_s(card.name))
            workers.add_metric([card.name], registry.live_workers(card.name))
            loaded.add_metric([card.name], registry.loaded_workers(card.name))
        yield from (
            depth,
            age,
            workers,
            loaded,
            GaugeMetricFamily("easyanimate_jobs_running", "Jobs that run.", self.store.running()),
        )

    def _head_age_s(self, model: str) -> float:
        job_id = fair_queue.peek(self.store.redis, model)
        try:
            return max(0.0, self.store.now() - self.store.get(job_id).created_at) if job_id else 0.0
        except JobNotFound:  # deleted at this moment
            return 0.0

    def _tallies(self, counts: Mapping[tuple[str, ...], float]) -> Iterator[Metric]:
        for kind, (name, about, labels) in TALLIES.items():
            family = CounterMetricFamily(name, about, labels=labels)
            for (found, *values), number in counts.items():
                if found == kind and len(values) == len(labels):
                    family.add_metric(values, number)
            yield family
