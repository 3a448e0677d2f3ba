"""The worker as a process: its start, its end, and the faults that it survives."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.job import Job
from jobs.model.request import VideoRequest
from jobs.model.states import Phase, State
from jobs.queue.registry import Registry
from jobs.queue.vocabularies import VocabularyStore
from jobs.queue.workers import WorkerDirectory, WorkerState
from jobs.redis.connection import connect
from tests.integration.worker.fixture_engine import VOCABULARY
from tests.job_store import JobStore
from worker.settings import WorkerSettings

Submit = Callable[..., Job]
Start = Callable[..., "subprocess.Popen[str]"]
MODEL = "easyanimate-v3-tiny"


def wait_until(holds: Callable[[], bool], timeout_s: float = 240.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def drains(store: JobStore) -> bool:
    """Whether a worker has begun its drain."""
    return WorkerState.DRAINING in [status.state for status in WorkerDirectory(store.redis).all()]


@pytest.fixture
def registry(store: JobStore) -> Registry:
    return Registry(store.redis)


def test_a_worker_announces_its_model_with_its_vocabulary_and_withdraws_on_sigterm(
    start: Start, registry: Registry
) -> None:
    worker = start()
    wait_until(lambda: registry.live_workers(MODEL) == 1)
    wait_until(lambda: VocabularyStore(registry.redis).read(MODEL) == VOCABULARY)
    worker.send_signal(signal.SIGTERM)
    worker.wait(120)
    assert (worker.returncode, registry.live_workers(MODEL)) == (0, 0)


def test_ctrl_c_ends_a_worker_in_good_order(start: Start, registry: Registry) -> None:
    worker = start()
    wait_until(lambda: registry.live_workers(MODEL) == 1)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(120) == 0


def test_a_worker_without_its_model_ends_with_one_clear_sentence(start: Start, settings: WorkerSettings) -> None:
    shutil.rmtree(settings.model_folder)
    worker = start()
    _, output = worker.communicate(timeout=300)
    assert worker.returncode == 1
    assert f"cannot be loaded: there is no folder {settings.model_folder}" in output.strip().splitlines()[-1]


def test_a_job_that_exceeds_the_grace_is_released_and_the_worker_exits_with_0(
    start: Start, submit: Submit, store: JobStore
) -> None:
    job = submit("slow")
    worker = start()
    wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
    back = store.get(job.id)
    assert (back.state, back.attempt) == (State.QUEUED, 0)


def test_a_job_within_the_grace_is_finished_and_the_next_one_is_not_started(
    start: Start, submit: Submit, store: JobStore, gate: Path
) -> None:
    first, second = submit(f"a red ball until {gate}"), submit("a red ball")
    worker = start(drain_grace_s=300)
    wait_until(lambda: store.get(first.id).phase is Phase.DENOISING)
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: drains(store))
    gate.touch()
    assert worker.wait(200) == 0  # before the end of the grace
    ended = store.get(first.id)
    assert (ended.state, ended.attempt, store.get(second.id).state) == (State.COMPLETED, 1, State.QUEUED)


def test_a_job_that_is_cancelled_during_the_grace_ends_and_the_worker_exits(
    start: Start, submit: Submit, store: JobStore
) -> None:
    job = submit("slow")
    worker = start(drain_grace_s=300)
    wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
    worker.send_signal(signal.SIGTERM)
    store.cancel(job.id)
    assert worker.wait(200) == 0
    assert store.get(job.id).state is State.CANCELLED


def test_the_second_signal_releases_the_job_at_once(start: Start, submit: Submit, store: JobStore) -> None:
    job = submit("slow")
    worker = start(drain_grace_s=300)
    wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: drains(store))  # two signals at once would be one
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
    assert store.get(job.id).state is State.QUEUED


def test_the_engine_dies_with_a_killed_supervisor(start: Start, submit: Submit, store: JobStore) -> None:
    job = submit("slow")
    worker = start()
    wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
    [engine] = children_of(worker.pid)
    worker.kill()
    worker.wait(120)
    wait_until(lambda: not is_alive(engine))


def test_the_next_worker_deletes_the_spool_of_a_killed_worker(
    start: Start, submit: Submit, store: JobStore, settings: WorkerSettings
) -> None:
    job = submit("slow")
    worker = start()
    wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
    [left] = settings.spool.iterdir()
    worker.kill()
    worker.wait(120)
    start()
    wait_until(lambda: not left.exists())


def test_a_job_survives_a_short_outage_of_redis(
    start: Start, tmp_path: Path, make_request: Callable[..., VideoRequest], free_port: int, gate: Path
) -> None:
    server = EmbeddedRedis(tmp_path / "redis", free_port).start()
    try:
        store = JobStore(connect(server.url, retries=5))
        request = make_request(f"a red ball until {gate}")
        job = store.submit(Job(id="video_1", owner="me", request=request, created_at=store.now()))
        start(redis_url=server.url)
        wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
        server.stop()
        time.sleep(0.5)
        server.start()
        gate.touch()
        wait_until(lambda: store.get(job.id).state.is_final)
        assert (store.get(job.id).state, store.get(job.id).attempt) == (State.COMPLETED, 1)
    finally:
        server.stop()


def test_supervisor_and_keeper_import_neither_torch_nor_the_client_of_buckets() -> None:
    modules = "worker.__main__, worker.supervisor.run, worker.tasks, worker.keeper.__main__, worker.engine.__main__"
    heavy = ("torch", "diffusers", "transformers", "av", "numpy", "PIL", "boto3", "fastapi")
    code = f"import sys, {modules}; sys.exit(str(found) if (found := {set(heavy)} & set(sys.modules)) else 0)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
