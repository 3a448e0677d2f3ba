"""What Prometheus scrapes of a worker or a keeper that has a port for it: its own work, its memory and its time."""

import structlog
from prometheus_client import Counter, Gauge, Histogram, start_http_server

log = structlog.get_logger()

PHASE_BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)

ATTEMPTS = Counter("easyanimate_worker_attempts", "Attempts of this worker, by how they ended.", ("outcome",))
PHASES = Histogram(
    "easyanimate_worker_phase_seconds", "Phases of the videos this worker finished.", ("phase",), buckets=PHASE_BUCKETS
)
LOADS = Histogram(
    "easyanimate_worker_model_load_seconds", "Loads of a model by this worker.", ("model",), buckets=PHASE_BUCKETS
)
DROPPED = Counter("easyanimate_worker_models_dropped", "Models this worker dropped to make room.", ("model",))
WEIGHTS = Gauge(
    "easyanimate_worker_model_weights_bytes", "What a model's weights take here; 0 if it is not loaded.", ("model",)
)
RECOVERED = Counter("easyanimate_keeper_recovered_jobs", "Jobs of lost workers that this keeper found.")
WEBHOOKS = Histogram("easyanimate_keeper_webhook_seconds", "Tries of this keeper to deliver a webhook.", ("outcome",))


def serve_metrics(host: str, port: int | None) -> None:
    """Answer `/metrics` there from now on, in a thread. Without a port nothing listens; a taken one stops nothing."""
    if port is None:
        return
    try:
        start_http_server(port, host)
    except OSError as error:
        log.warning("metrics.not_served", host=host, port=port, reason=error.strerror)
