"""Prometheus metrics of a worker or a keeper, served on a port of their own if one is set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, cast
from wsgiref.types import WSGIApplication

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.registry import Collector

from jobs.version import VERSION
from worker.health import ProcessHealth, with_health

log = structlog.get_logger()

SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
STEP_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BUILD_TEXT = "The version of this process."
MEMORY_RETRY_WAYS = ALONE, SMALLER_PROFILE = "alone", "smaller_profile"
WINDOW_OUTCOMES = ("generated", "reused", "not_stored", "damaged")
STORAGE_OPERATIONS = ("put", "read", "stat", "list", "copy", "delete", "check")
Registries = Iterable[CollectorRegistry]
WORKER, KEEPER = CollectorRegistry(), CollectorRegistry()  # each process exports its own, not zeros of the other
BOTH = (WORKER, KEEPER)
REGISTRIES = {"worker": WORKER, "keeper": KEEPER}
M = TypeVar("M", bound=Collector)


@dataclass(frozen=True)
class Description:
    """Name, type, meaning and labels of a metric, for the reference. The name of a counter ends with `_total`."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]


DESCRIPTIONS: list[Description] = []


def _counter(where: Registries, name: str, text: str, *labels: str) -> Counter:
    DESCRIPTIONS.append(Description(f"{name}_total", "counter", text, labels))
    return _registered(Counter(name, text, labels, registry=None), where)


def _gauge(where: Registries, name: str, text: str, *labels: str) -> Gauge:
    DESCRIPTIONS.append(Description(name, "gauge", text, labels))
    return _registered(Gauge(name, text, labels, registry=None), where)


def _histogram(where: Registries, name: str, text: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:
    DESCRIPTIONS.append(Description(name, "histogram", text, labels))
    return _registered(Histogram(name, text, labels, buckets=buckets, registry=None), where)


def _registered(metric: M, where: Registries) -> M:
    for registry in where:
        registry.register(metric)
    return metric


for _registry in BOTH:
    ProcessCollector(registry=_registry)
    PlatformCollector(registry=_registry)
    GCCollector(registry=_registry)

DESCRIPTIONS.append(Description("easyanimate_build_info", "gauge", BUILD_TEXT, ("process", "version")))
BUILD = _registered(Info("easyanimate_build", BUILD_TEXT, registry=None), BOTH)

# ---- the attempt that runs now; one worker runs one at a time

BUSY = _gauge([WORKER], "easyanimate_worker_busy", "Whether the worker runs a job.")
JOB = _gauge([WORKER], "easyanimate_worker_job_info", "1 for the running job.", "job_id", "model", "attempt")
PHASE = _gauge([WORKER], "easyanimate_worker_phase", "1 for the phase of the running job.", "phase")
PROGRESS = _gauge(
    [WORKER], "easyanimate_worker_progress_ratio", "Finished part of the phase of the running job, 0 to 1."
)
CHECKPOINT_AGE = _gauge(
    [WORKER],
    "easyanimate_worker_checkpoint_age_seconds",
    "Seconds of the running job since its newest checkpoint, or without one since its start: on this host (spool), "
    "or in the storage. 0 without a job.",
    "place",
)

# ---- attempts of this worker

ATTEMPTS = _counter([WORKER], "easyanimate_worker_attempts", "Attempts of this worker, by outcome.", "outcome")
PHASES = _histogram(
    [WORKER], "easyanimate_worker_phase_seconds", "Durations of the phases of finished videos.", "phase"
)
STEPS = _histogram(
    [WORKER], "easyanimate_worker_step_seconds", "Durations of steps of denoising.", "model", buckets=STEP_SECONDS
)
WINDOWS = _histogram([WORKER], "easyanimate_worker_window_seconds", "Durations of the windows of long videos.", "model")
WINDOW_REUSE = _counter(
    [WORKER],
    "easyanimate_worker_windows",
    "Windows of long videos where stored ones are reused: generated, reused, not_stored, or damaged in storage.",
    "outcome",
)
CHECKPOINTS = _histogram(
    [WORKER],
    "easyanimate_worker_checkpoint_store_seconds",
    "Durations of uploads of checkpoints.",
    buckets=REQUEST_SECONDS,
)

# ---- engine and memory

ENGINE_STARTS = _counter([WORKER], "easyanimate_worker_engine_starts", "Starts of the process that holds the models.")
LOADS = _histogram([WORKER], "easyanimate_worker_model_load_seconds", "Durations of model loads.", "model")
DROPPED = _counter([WORKER], "easyanimate_worker_models_dropped", "Models that were evicted to free memory.", "model")
WEIGHTS = _gauge(
    [WORKER], "easyanimate_worker_model_weights_bytes", "Memory of a model's weights; 0 if it is not loaded.", "model"
)
PEAK_MEMORY = _gauge([WORKER], "easyanimate_worker_peak_memory_bytes", "Peak memory of the latest video.", "model")
MEMORY_RETRIES = _counter(
    [WORKER],
    "easyanimate_worker_memory_retries",
    "Runs out of memory that were tried again: alone, without other models, or in a smaller profile.",
    "way",
)
GPU_USED = _gauge(
    [WORKER],
    "easyanimate_worker_gpu_memory_used_bytes",
    "Memory of the GPU in use, by all processes, at the latest change of phase; 0 on a CPU.",
)
GPU_TOTAL = _gauge([WORKER], "easyanimate_worker_gpu_memory_bytes", "Memory of the GPU; 0 on a CPU.")
SPOOL_FREE = _gauge([WORKER], "easyanimate_worker_spool_free_bytes", "Free space on the disk of the spool.")

# ---- storage, as a worker and a keeper use it

STORAGE_REQUESTS = _histogram(
    BOTH, "easyanimate_storage_seconds", "Durations of operations of the storage.", "operation", buckets=REQUEST_SECONDS
)
STORAGE_FAILURES = _counter(
    BOTH, "easyanimate_storage_failures", "Operations of the storage that failed, after all tries.", "operation"
)
STORAGE_BYTES = _counter(
    BOTH, "easyanimate_storage_bytes", "Bytes to and from the storage, by folder of the key.", "direction", "folder"
)

# ---- keeper

RECOVERED = _counter([KEEPER], "easyanimate_keeper_recovered_jobs", "Jobs of lost workers that this keeper recovered.")
STORAGE_OWNED = _gauge(
    [KEEPER],
    "easyanimate_keeper_storage_owned",
    "Whether the storage belongs to this installation; if not, nothing is deleted.",
)
WEBHOOKS = _histogram(
    [KEEPER],
    "easyanimate_keeper_webhook_seconds",
    "Durations of tries to deliver a webhook.",
    "outcome",
    buckets=REQUEST_SECONDS,
)
SWEEPS = _histogram([KEEPER], "easyanimate_keeper_sweep_seconds", "Durations of finished sweeps.", "task")
SWEEP_FAILURES = _counter(
    [KEEPER], "easyanimate_keeper_sweep_failures", "Sweeps that failed or were postponed.", "task"
)
LAST_SWEEP = _gauge(
    [KEEPER], "easyanimate_keeper_last_sweep_timestamp_seconds", "Unix second of the latest finished sweep.", "task"
)


# Unknown until the first check of the disk and of the storage: an alert must not read it as 0.
SPOOL_FREE.set(float("nan"))
STORAGE_OWNED.set(float("nan"))
# Counters begin with 0 where their labels are known: Prometheus does not see the rise of a new series.
for _way in MEMORY_RETRY_WAYS:
    MEMORY_RETRIES.labels(_way)
for _outcome in WINDOW_OUTCOMES:
    WINDOW_REUSE.labels(_outcome)
for _operation in STORAGE_OPERATIONS:
    STORAGE_FAILURES.labels(_operation)


def serve_metrics(process: Literal["worker", "keeper"], host: str, port: int | None, health: ProcessHealth) -> None:
    """Serves `/metrics`, `/livez` and `/startupz` of this process in a thread, if a port is set.

    A port in use is logged and does not stop the process.
    """
    if port is None:
        return
    BUILD.info({"process": process, "version": VERSION})
    try:
        server, _ = start_http_server(port, host, REGISTRIES[process])
        server.set_app(with_health(cast(WSGIApplication, server.get_app()), health))
    except OSError as error:
        log.warning("metrics.not_served", host=host, port=port, reason=error.strerror)
