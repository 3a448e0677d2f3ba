"""Prometheus metrics of a worker or a keeper, served on a port of their own if one is set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from wsgiref.types import WSGIApplication

import structlog
from prometheus_client import Counter, Gauge, Histogram, Info, start_http_server

from jobs.version import VERSION
from worker.health import ProcessHealth, with_health

log = structlog.get_logger()

SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
STEP_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True)
class Description:
    """Name, type, meaning and labels of a metric, for the reference. The name of a counter ends with `_total`."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]


DESCRIPTIONS: list[Description] = []


def _counter(name: str, text: str, *labels: str) -> Counter:
    DESCRIPTIONS.append(Description(f"{name}_total", "counter", text, labels))
    return Counter(name, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    DESCRIPTIONS.append(Description(name, "gauge", text, labels))
    return Gauge(name, text, labels)


def _histogram(name: str, text: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:
    DESCRIPTIONS.append(Description(name, "histogram", text, labels))
    return Histogram(name, text, labels, buckets=buckets)


BUILD = Info("easyanimate_build", "The version of this process.")
DESCRIPTIONS.append(
    Description("easyanimate_build_info", "gauge", "The version of this process.", ("process", "version"))
)

# ---- the attempt that runs now; one worker runs one at a time

BUSY = _gauge("easyanimate_worker_busy", "Whether the worker runs a job.")
JOB = _gauge("easyanimate_worker_job_info", "1 for the running job.", "job_id", "model", "attempt")
PHASE = _gauge("easyanimate_worker_phase", "1 for the phase of the running job.", "phase")
PROGRESS = _gauge("easyanimate_worker_progress_ratio", "Finished part of the phase of the running job, 0 to 1.")
CHECKPOINT_AGE = _gauge(
    "easyanimate_worker_checkpoint_age_seconds",
    "Seconds of the running job since its newest checkpoint, or without one since its start: on this host (spool), "
    "or in the storage. 0 without a job.",
    "place",
)

# ---- attempts of this worker

ATTEMPTS = _counter("easyanimate_worker_attempts", "Attempts of this worker, by outcome.", "outcome")
PHASES = _histogram("easyanimate_worker_phase_seconds", "Durations of the phases of finished videos.", "phase")
STEPS = _histogram("easyanimate_worker_step_seconds", "Durations of steps of denoising.", "model", buckets=STEP_SECONDS)
WINDOWS = _histogram("easyanimate_worker_window_seconds", "Durations of the windows of long videos.", "model")
CHECKPOINTS = _histogram(
    "easyanimate_worker_checkpoint_store_seconds", "Durations of uploads of checkpoints.", buckets=REQUEST_SECONDS
)

# ---- engine and memory

ENGINE_STARTS = _counter("easyanimate_worker_engine_starts", "Starts of the process that holds the models.")
LOADS = _histogram("easyanimate_worker_model_load_seconds", "Durations of model loads.", "model")
DROPPED = _counter("easyanimate_worker_models_dropped", "Models that were evicted to free memory.", "model")
WEIGHTS = _gauge(
    "easyanimate_worker_model_weights_bytes", "Memory of a model's weights; 0 if it is not loaded.", "model"
)
PEAK_MEMORY = _gauge("easyanimate_worker_peak_memory_bytes", "Peak memory of the latest video.", "model")
MEMORY_RETRIES = _counter(
    "easyanimate_worker_memory_retries",
    "Runs out of memory that were tried again: alone, without other models, or in a smaller profile.",
    "way",
)
GPU_USED = _gauge(
    "easyanimate_worker_gpu_memory_used_bytes",
    "Memory of the GPU in use, by all processes, at the latest change of phase; 0 on a CPU.",
)
GPU_TOTAL = _gauge("easyanimate_worker_gpu_memory_bytes", "Memory of the GPU; 0 on a CPU.")
SPOOL_FREE = _gauge("easyanimate_worker_spool_free_bytes", "Free space on the disk of the spool.")

# ---- storage, as a worker and a keeper use it

STORAGE_REQUESTS = _histogram(
    "easyanimate_storage_seconds", "Durations of operations of the storage.", "operation", buckets=REQUEST_SECONDS
)
STORAGE_FAILURES = _counter(
    "easyanimate_storage_failures", "Operations of the storage that failed, after all tries.", "operation"
)
STORAGE_BYTES = _counter(
    "easyanimate_storage_bytes", "Bytes to and from the storage, by folder of the key.", "direction", "folder"
)

# ---- keeper

RECOVERED = _counter("easyanimate_keeper_recovered_jobs", "Jobs of lost workers that this keeper recovered.")
STORAGE_OWNED = _gauge(
    "easyanimate_keeper_storage_owned", "Whether the storage belongs to this installation; if not, nothing is deleted."
)
WEBHOOKS = _histogram(
    "easyanimate_keeper_webhook_seconds", "Durations of tries to deliver a webhook.", "outcome", buckets=REQUEST_SECONDS
)
SWEEPS = _histogram("easyanimate_keeper_sweep_seconds", "Durations of finished sweeps.", "task")
SWEEP_FAILURES = _counter("easyanimate_keeper_sweep_failures", "Sweeps that failed or were postponed.", "task")
LAST_SWEEP = _gauge(
    "easyanimate_keeper_last_sweep_timestamp_seconds", "Unix second of the latest finished sweep.", "task"
)


def set_build(process: str) -> None:
    """Sets the version of this process, which is `worker` or `keeper`."""
    BUILD.info({"process": process, "version": VERSION})


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
