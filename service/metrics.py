"""What Prometheus scrapes: the requests of this process, and the state of the whole installation out of Redis.

Every front end tells the same of the installation, so one of them is enough for that; requests are each one's own.
"""

from collections.abc import Iterator, Mapping

import structlog
from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from jobs import tally, turns
from jobs.errors import JobNotFound, QueueUnavailable
from jobs.registry import Registry
from jobs.store import JobStore
from service.openapi import errors
from service.parts import Parts, PartsDep

log = structlog.get_logger()

router = APIRouter(tags=["operations"])

# What is counted for all processes in Redis: name of the tally -> name of the metric, what it says, its labels.
TALLIES = {
    tally.JOBS: ("easyanimate_jobs", "Jobs that ended.", ("model", "state", "code")),
    tally.ATTEMPTS: ("easyanimate_attempts", "Attempts that ended.", ("model", "outcome")),
    tally.DELIVERIES: ("easyanimate_webhook_deliveries", "Tries to deliver a webhook.", ("outcome",)),
    tally.PHASE_SECONDS: ("easyanimate_phase_seconds", "Seconds that finished jobs spent.", ("model", "phase")),
    tally.PHASE_COUNT: ("easyanimate_phases", "Phases that finished jobs went through.", ("model", "phase")),
}


class Installation(Collector):
    """The queues, the workers and the tallies, read when somebody asks. Without Redis there is only `redis_up` 0."""

    def __init__(self, store: JobStore) -> None:
        self.store = store

    def collect(self) -> Iterator[Metric]:
        """Everything that is read from Redis at this moment; `easyanimate_redis_up` alone while it is away."""
        try:
            found = [*self._queues(), *self._tallies(tally.read_tally(self.store.redis))]
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
        job_id = turns.first(self.store.redis, model)
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


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **errors(),
    },
)
async def read_metrics(parts: PartsDep) -> Response:
    """The counts of this process and the state of the installation, in Prometheus' text format."""
    parts.metrics.waiting.labels("news").set(parts.news.waiting)
    parts.metrics.waiting.labels("events").set(parts.feeds.listeners)
    text = await run_in_threadpool(_written, parts)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _written(parts: Parts) -> bytes:
    whole = CollectorRegistry()
    whole.register(Installation(parts.store))
    return generate_latest(parts.metrics.registry) + generate_latest(whole)
