"""Prometheus metrics of a worker or a keeper, served on a port of their own if one is set."""

from typing import cast
from wsgiref.types import WSGIApplication

import structlog
from prometheus_client import Counter, Gauge, Histogram, start_http_server

from worker.health import ProcessHealth, with_health

log = structlog.get_logger()

PHASE_BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)

ATTEMPTS = Counter("easyanimate_worker_attempts", "Attempts of this worker, by outcome.", ("outcome",))
PHASES = Histogram(
    "easyanimate_worker_phase_seconds", "Durations of the phases of finished videos.", ("phase",), buckets=PHASE_BUCKETS
)
LOADS = Histogram(
    "easyanimate_worker_model_load_seconds", "Durations of model loads.", ("model",), buckets=PHASE_BUCKETS
)
DROPPED = Counter("easyanimate_worker_models_dropped", "Models that were evicted to free memory.", ("model",))
WEIGHTS = Gauge(
    "easyanimate_worker_model_weights_bytes", "Memory of a model's weights; 0 if it is not loaded.", ("model",)
)
RECOVERED = Counter("easyanimate_keeper_recovered_jobs", "Jobs of lost workers that this keeper recovered.")
STORAGE_OWNED = Gauge(
    "easyanimate_keeper_storage_owned", "Whether the storage belongs to this installation; if not, nothing is deleted."
)
WEBHOOKS = Histogram("easyanimate_keeper_webhook_seconds", "Durations of tries to deliver a webhook.", ("outcome",))


def serve_metrics(host: str, port: int | None, health: ProcessHealth) -> None:
    """Serves `/metrics`, `/livez` and `/startupz` in a thread, if a port is set.

    A port in use is logged and does not stop the process.
    """
    if port is None:
        return
    try:
        server, _ = start_http_server(port, host)
        server.set_app(with_health(cast(WSGIApplication, server.get_app()), health))
    except OSError as error:
        log.warning("metrics.not_served", host=host, port=port, reason=error.strerror)
