"""Prometheus metrics of the whole installation, read from Redis; every front end reports the same values."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, product

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs.errors import JobNotFound, QueueUnavailable, RecordUnreadable
from jobs.model.delivery import STATUSES
from jobs.model.failure import CODES
from jobs.model.model_card import ModelCard
from jobs.model.states import FINAL_STATES, Priority, State
from jobs.queue import fair_queue
from jobs.queue.registry import Registry
from jobs.redis.health import WritableCheck
from jobs.redis.unreadable import SetAside
from jobs.store import counters
from jobs.store.attempt_log import Outcome
from jobs.store.transitions import JobTable
from jobs.webhooks.deliveries import Deliveries

log = structlog.get_logger()


# Counters of all processes in Redis: name of the metric, help and labels.
COUNTERS = {
    counters.JOBS: ("easyanimate_jobs", "Ended jobs.", ("model", "state", "code")),
    counters.ATTEMPTS: ("easyanimate_attempts", "Ended attempts.", ("model", "outcome")),
    counters.PREEMPTIONS: (
        "easyanimate_preemptions",
        "Jobs that gave their worker to a more urgent one, by their priority.",
        ("model", "priority"),
    ),
    counters.DELIVERIES: ("easyanimate_webhook_deliveries", "Tries to deliver a webhook.", ("outcome",)),
    counters.DELIVERIES_ENDED: ("easyanimate_webhooks", "Deliveries that have ended, by status.", ("status",)),
    counters.MODERATIONS: ("easyanimate_moderations", "Requests to the moderation hook.", ("stage", "outcome")),
    counters.UNREADABLE: ("easyanimate_unreadable", "Stored values that cannot be read or processed.", ("kind",)),
    counters.PHASE_SECONDS: ("easyanimate_phase_seconds", "Seconds of finished jobs per phase.", ("model", "phase")),
    counters.PHASE_COUNT: ("easyanimate_phases", "Phases of finished jobs.", ("model", "phase")),
    counters.FRAMES: ("easyanimate_frames", "Frames of finished jobs.", ("model",)),
    counters.RESULT_BYTES: ("easyanimate_result_bytes", "Bytes of the videos of finished jobs.", ("model",)),
}
# Histograms of all processes in Redis: likewise. `jobs/store/counters.py` has their buckets.
HISTOGRAMS = {
    counters.QUEUE_WAIT: (
        "easyanimate_queue_wait_seconds",
        "Seconds from the submit of a job to its first attempt.",
        ("model", "priority"),
    ),
    counters.JOB_SECONDS: ("easyanimate_job_seconds", "Seconds from the submit of a job to its video.", ("model",)),
    counters.WEBHOOK_DELAY: (
        "easyanimate_webhook_delay_seconds",
        "Seconds from an event to its delivery, with all tries; not of repeated deliveries.",
        (),
    ),
    counters.WEBHOOK_TRIES: ("easyanimate_webhook_tries", "Tries of a delivery that has ended.", ()),
}
# Gauges: name, help and labels.
QUEUE_GAUGES = (
    ("easyanimate_queue_depth", "Queued jobs.", ("model",)),
    ("easyanimate_queue_waiting", "Queued jobs, by priority.", ("model", "priority")),
    ("easyanimate_queue_head_age_seconds", "Seconds that the next job has waited.", ("model",)),
    ("easyanimate_queue_expected_wait_seconds", "Expected wait of one more job; absent if unknown.", ("model",)),
    ("easyanimate_jobs_running", "Running jobs.", ("model",)),
    ("easyanimate_workers", "Live workers.", ("model",)),
    ("easyanimate_workers_loaded", "Workers that have the model loaded.", ("model",)),
    ("easyanimate_workers_idle", "Workers that take no jobs of the model, by reason.", ("model", "reason")),
    ("easyanimate_queue_paused", "1 while an operator has paused the queue, with the reason.", ("model", "reason")),
)
INSTALLATION_GAUGES = (
    ("easyanimate_leases_expired", "Running jobs of lost workers that no keeper has recovered yet.", ()),
    ("easyanimate_webhook_receivers_pending", "Receivers with pending deliveries.", ()),
    ("easyanimate_webhook_overdue_seconds", "Seconds that the next delivery is late; 0 if none is due.", ()),
)
REDIS_WRITABLE = ("easyanimate_redis_writable", "Whether Redis accepts a write as of a new job.", ())
REDIS_UP = ("easyanimate_redis_up", "Whether Redis responds; if it does not, the other metrics are missing.", ())

Labels = tuple[str, ...]
_STATES_WITH_CODE = {State.CANCELLED: ("cancelled",), State.EXPIRED: ("deadline_exceeded",), State.COMPLETED: ("",)}


def gauge_family(description: tuple[str, str, Labels], value: float | None = None) -> GaugeMetricFamily:
    """An empty family with labels, or one of this value without labels."""
    name, text, labels = description
    return GaugeMetricFamily(name, text, value) if value is not None else GaugeMetricFamily(name, text, labels=labels)


class InstallationCollector(Collector):
    """Collects queues, workers and counters at each scrape. Without Redis only the gauges of Redis are left, with 0."""

    def __init__(self, table: JobTable, writable: WritableCheck) -> None:
        self.table = table
        self.writable = writable
        self.registry = Registry(table.redis)
        self.unreadable = SetAside(table.redis, "queue")  # models whose numbers cannot be read

    def collect(self) -> Iterator[Metric]:
        """All metrics of the installation."""
        try:
            metrics = list(self._readable_parts())
        except QueueUnavailable:
            log.warning("redis.unavailable")
            metrics = []
        yield gauge_family(REDIS_UP, float(bool(metrics)))
        yield gauge_family(REDIS_WRITABLE, float(bool(metrics) and self.writable.is_writable()))
        yield from metrics

    def _readable_parts(self) -> Iterator[Metric]:
        """The metrics without those that come from a key of another type."""
        cards: Sequence[ModelCard] = ()
        with self.unreadable.guard("all models"):
            cards = self.registry.cards()
            yield from self._queues(cards)
        with self.unreadable.guard("leases and webhooks"):
            yield from self._installation()
        with self.unreadable.guard("counters"):
            counts = counters.read_counters(self.table.redis)
            yield from (*_counters(counts, cards), *_histograms(counts, cards))

    def _queues(self, cards: Sequence[ModelCard]) -> Iterator[Metric]:
        families = [*map(gauge_family, QUEUE_GAUGES)]
        for model in (card.name for card in cards):
            with self.unreadable.guard(model):
                self._add_queue(families, model)
        yield from families

    def _add_queue(self, families: Sequence[GaugeMetricFamily], model: str) -> None:
        depth, waiting, age, wait, running, workers, loaded, idle, paused = families
        load = self.table.load(model)
        for priority, count in load.waiting.items():
            waiting.add_metric([model, priority], count)
        for reason, count in self.registry.idle_workers(model).items():
            idle.add_metric([model, reason], count)
        pause = self.registry.pauses.get(model)
        paused.add_metric([model, pause.reason if pause else ""], float(pause is not None))
        if pause is None and (wait_s := load.wait_s(load.depth)) is not None:
            wait.add_metric([model], wait_s)
        depth.add_metric([model], load.depth)
        age.add_metric([model], self._head_age_s(model))
        running.add_metric([model], load.running)
        workers.add_metric([model], load.workers)
        loaded.add_metric([model], self.registry.loaded_workers(model))

    def _installation(self) -> Iterator[Metric]:
        receivers, due_at = Deliveries(self.table.redis).backlog()
        overdue_s = 0.0 if due_at is None else max(0.0, self.table.now() - due_at)
        values = self.table.expired_leases(), receivers, overdue_s
        yield from map(gauge_family, INSTALLATION_GAUGES, values)

    def _head_age_s(self, model: str) -> float:
        job_id = fair_queue.peek(self.table.redis, model)
        try:
            return max(0.0, self.table.now() - self.table.get(job_id).created_at) if job_id else 0.0
        except (JobNotFound, RecordUnreadable):  # deleted meanwhile; the worker reports an unreadable one
            return 0.0


def _counters(counts: Mapping[Labels, float], cards: Sequence[ModelCard]) -> Iterator[Metric]:
    for kind, (name, description, labels) in COUNTERS.items():
        family = CounterMetricFamily(name, description, labels=labels)
        values = {name[1:]: value for name, value in counts.items() if name[0] == kind and len(name) == len(labels) + 1}
        for series in dict.fromkeys((*_expected(kind, cards), *values)):
            family.add_metric(series, values.get(series, 0.0))
        yield family


def _expected(kind: str, cards: Sequence[ModelCard]) -> Iterator[Labels]:
    """The series that are reported with 0 before their first event: Prometheus does not see the rise of a new one."""
    models = [card.name for card in cards]
    if kind == counters.JOBS:
        for model, state in product(models, sorted(FINAL_STATES)):
            yield from ((model, state, code) for code in _STATES_WITH_CODE.get(state, sorted(CODES)))
    elif kind == counters.ATTEMPTS:
        yield from product(models, Outcome)
    elif kind == counters.PREEMPTIONS:
        yield from product(models, Priority)
    elif kind == counters.DELIVERIES:
        yield from (("delivered",), ("failed",))
    elif kind == counters.DELIVERIES_ENDED:
        yield from ((status,) for status in STATUSES if status != "pending")
    elif kind in (counters.FRAMES, counters.RESULT_BYTES):
        yield from ((model,) for model in models)


def _histograms(counts: Mapping[Labels, float], cards: Sequence[ModelCard]) -> Iterator[Metric]:
    models = [card.name for card in cards]
    expected: dict[str, list[Labels]] = {
        counters.QUEUE_WAIT: list(product(models, Priority)),
        counters.JOB_SECONDS: [(model,) for model in models],
    }
    for kind, (name, description, labels) in HISTOGRAMS.items():
        family = HistogramMetricFamily(name, description, labels=labels)
        sums = {key[2:]: value for key, value in counts.items() if key[:2] == (kind, counters.SUM)}
        for series in dict.fromkeys((*expected.get(kind, [()]), *sums)):
            if len(series) == len(labels):
                family.add_metric(series, _buckets(counts, kind, series), sums.get(series, 0.0))
        yield family


def _buckets(counts: Mapping[Labels, float], kind: str, series: Labels) -> list[tuple[str, float]]:
    """The cumulative counts of a histogram, each with the upper bound of its bucket."""
    bounds = [*map(counters.bound_name, counters.BOUNDS[kind]), counters.INFINITY]
    values = (counts.get((kind, counters.BUCKET, *series, bound), 0.0) for bound in bounds)
    return list(zip(bounds, accumulate(values), strict=True))
