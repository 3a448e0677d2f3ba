"""The metrics of a worker follow the attempt that runs, and count its steps, windows and bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.model.job import Job
from jobs.storage.interface import Storage
from tests.job_store import JobStore
from worker.metered_storage import MeteredStorage
from worker.metrics import WORKER

MODEL = {"model": "easyanimate-v3-tiny"}
Submit = Callable[..., Job]


def value(name: str, **labels: str) -> float:
    """The value of a metric of this process; 0 if it has none."""
    return WORKER.get_sample_value(f"easyanimate_{name}", labels) or 0.0


def test_the_gauges_show_the_running_attempt_and_nothing_after_it(
    worker: Any, submit: Submit, meanwhile: Callable[..., None], gate: Path
) -> None:
    job = submit(f"windows until {gate}")
    names = {"job_id": job.id, "attempt": "1"} | MODEL
    during: dict[str, float] = {}

    def read() -> None:
        during["busy"] = value("worker_busy")
        during["info"] = value("worker_job_info", **names)
        during["progress"] = value("worker_progress_ratio")
        during["age"] = value("worker_checkpoint_age_seconds", place="storage")
        gate.touch()

    meanwhile(lambda: value("worker_phase", phase="denoising") == 1 and value("worker_progress_ratio") > 0, read)
    worker.run_one()
    assert (during["busy"], during["info"]) == (1, 1)
    assert 0 < during["progress"] <= 1
    assert during["age"] > 0
    assert (value("worker_busy"), value("worker_progress_ratio")) == (0, 0)
    assert WORKER.get_sample_value("easyanimate_worker_job_info", names) is None
    assert WORKER.get_sample_value("easyanimate_worker_phase", {"phase": "uploading"}) is None
    assert value("worker_checkpoint_age_seconds", place="spool") == 0


def test_steps_windows_memory_and_bytes_of_an_attempt_are_counted(
    worker: Any, submit: Submit, storage: Storage, store: JobStore
) -> None:
    worker.use(storage=MeteredStorage(storage))
    names = ("worker_step_seconds_count", "worker_window_seconds_count")
    before = {name: value(name, **MODEL) for name in names}
    uploaded = value("storage_bytes_total", direction="upload", folder="videos")
    job = submit("windows")
    worker.run_one()
    result = store.get(job.id).result
    assert result is not None
    after = {name: value(name, **MODEL) - before[name] for name in names}
    assert after == {"worker_step_seconds_count": 4, "worker_window_seconds_count": 3}  # the first one has no step
    assert value("storage_bytes_total", direction="upload", folder="videos") - uploaded > result.size_bytes
    assert value("worker_peak_memory_bytes", **MODEL) == 2**20
    assert (value("worker_gpu_memory_used_bytes"), value("worker_gpu_memory_bytes")) == (2**30, 2**32)
    assert value("worker_spool_free_bytes") > 0


def test_a_retry_without_memory_is_counted_with_its_way_and_the_new_engine(worker: Any, submit: Submit) -> None:
    before = value("worker_memory_retries_total", way="smaller_profile"), value("worker_engine_starts_total")
    submit("tight")
    worker.run_one()
    after = value("worker_memory_retries_total", way="smaller_profile"), value("worker_engine_starts_total")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 3)  # one engine before, one in it, one after it
