"""Prometheus metrics of the whole installation, read from Redis; every front end reports the same values."""

from collections.abc import Iterator, Mapping

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs.errors import JobNotFound, QueueUnavailable, RecordUnreadable
from jobs.queue import fair_queue
from jobs.queue.registry import Registry
from jobs.redis.health import WritableCheck
from jobs.store import counters
from jobs.store.transitions import JobTable

log = structlog.get_logger()


# Counters of all processes in Redis: name of the metric, help and labels.
COUNTERS = {
    counters.JOBS: ("easyanimate_jobs", "Ended jobs.", ("model", "state", "code")),
    counters.ATTEMPTS: ("easyanimate_attempts", "Ended attempts.", ("model", "outcome")),
    counters.DELIVERIES: ("easyanimate_webhook_deliveries", "Attempts to deliver a webhook.", ("outcome",)),
    counters.UNREADABLE: ("easyanimate_unreadable", "Stored values that cannot be read or processed.", ("kind",)),
    counters.PHASE_SECONDS: ("easyanimate_phase_seconds", "Seconds of finished jobs per phase.", ("model", "phase")),
    counters.PHASE_COUNT: ("easyanimate_phases", "Phases of finished jobs.", ("model", "phase")),
}
# Gauges: name and help. Those of queues have the label `model`.
QUEUE_GAUGES = (
    ("easyanimate_queue_depth", "Queued jobs."),
    ("easyanimate_queue_head_age_seconds", "Seconds that the next job has waited."),
    ("easyanimate_workers", "Live workers."),
    ("easyanimate_workers_loaded", "Workers that have the model loaded."),
)
WORKERS_IDLE = ("easyanimate_workers_idle", "Workers that take no jobs of the model, by reason.", ("model", "reason"))
RUNNING = ("easyanimate_jobs_running", "Running jobs.")
REDIS_WRITABLE = ("easyanimate_redis_writable", "Whether Redis accepts a write as of a new job.")
REDIS_UP = ("easyanimate_redis_up", "Whether Redis responds; if it does not, the other metrics are missing.")


class InstallationCollector(Collector):
    """Collects queues, workers and counters at each scrape. Without Redis only the gauges of Redis are left, with 0."""

    def __init__(self, table: JobTable, writable: WritableCheck) -> None:
        self.table = table
        self.writable = writable

    def collect(self) -> Iterator[Metric]:
        """All metrics of the installation."""
        try:
            metrics = [*self._queues(), *self._counters(counters.read_counters(self.table.redis))]
        except QueueUnavailable:
            log.warning("redis.unavailable")
            metrics = []
        yield GaugeMetricFamily(*REDIS_UP, float(bool(metrics)))
        yield GaugeMetricFamily(*REDIS_WRITABLE, float(bool(metrics) and self.writable.is_writable()))
        yield from metrics

    def _queues(self) -> Iterator[Metric]:
        registry, table = Registry(self.table.redis), self.table
        depth, age, workers, loaded = (GaugeMetricFamily(*gauge, labels=["model"]) for gauge in QUEUE_GAUGES)
        idle = GaugeMetricFamily(*WORKERS_IDLE[:2], labels=WORKERS_IDLE[2])
        for card in registry.cards():
            for reason, count in registry.idle_workers(card.name).items():
                idle.add_metric([card.name, reason], count)
            depth.add_metric([card.name], table.queue_depth(card.name))
            age.add_metric([card.name], self._head_age_s(card.name))
            workers.add_metric([card.name], registry.live_workers(card.name))
            loaded.add_metric([card.name], registry.loaded_workers(card.name))
        yield from (depth, age, workers, loaded, idle, GaugeMetricFamily(*RUNNING, table.running()))

    def _head_age_s(self, model: str) -> float:
        job_id = fair_queue.peek(self.table.redis, model)
        try:
            return max(0.0, self.table.now() - self.table.get(job_id).created_at) if job_id else 0.0
        except (JobNotFound, RecordUnreadable):  # deleted meanwhile; the worker reports an unreadable one
            return 0.0

    def _counters(self, counts: Mapping[tuple[str, ...], float]) -> Iterator[Metric]:
        for kind, (name, description, labels) in COUNTERS.items():
            family = CounterMetricFamily(name, description, labels=labels)
            for (counter, *values), count in counts.items():
                if counter == kind and len(values) == len(labels):
                    family.add_metric(values, count)
            yield family
