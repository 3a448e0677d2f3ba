"""A supervisor on a real Redis with an engine that fails on demand, and jobs for it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from redis import Redis

from cli.stack.ports import free_port
from jobs.model.job import Job, new_job_id
from jobs.model.model_card import ModelCard
from jobs.model.request import VideoRequest
from jobs.redis.connection import connect
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage
from tests.integration.worker.no_marks import NoMarks
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext
from worker.attempt.engine_process import EngineProcess
from worker.attempt.outcomes import Drained
from worker.drain import Drain
from worker.models.served import read_served
from worker.protocol.messages import LoadModel
from worker.settings import WorkerSettings
from worker.supervisor.spool import Spool
from worker.supervisor.supervisor import Supervisor, new_worker_name

Start = Callable[..., "subprocess.Popen[str]"]
PROGRAM = Path(__file__).with_name("worker_process.py")
FIXTURE_ENGINE = (sys.executable, str(Path(__file__).with_name("fixture_engine.py")))


@pytest.fixture
def put_model(tmp_path: Path, card: ModelCard) -> Callable[..., Path]:
    """Creates a model folder for the fixture engine; keyword arguments are files in it."""

    def put_model(name: str, **files: str) -> Path:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(card.model_copy(update={"name": name}).model_dump_json())
        for file, content in files.items():
            (folder / file).write_text(content)
        return folder

    return put_model


@pytest.fixture
def settings(tmp_path: Path, redis_url: str, put_model: Callable[..., Path]) -> WorkerSettings:
    """Settings of a worker on an empty database. A timeout that a test waits for is short in that test alone."""
    put_model("easyanimate-v3-tiny")
    return WorkerSettings.model_validate(
        {
            "redis_url": redis_url,
            "data_dir": tmp_path / "data",
            "models_dir": tmp_path / "models",
            "beat_s": 0.1,
            "cancel_grace_s": 120.0,
            "step_timeout_s": 300.0,
            "storage_patience_s": 120.0,
            "min_free_disk_bytes": 0,
        }
    )


@pytest.fixture
def store(redis: Redis) -> JobStore:
    return JobStore(redis)


@pytest.fixture
def storage(settings: WorkerSettings) -> Storage:
    return open_storage(settings)


@pytest.fixture
def engine(settings: WorkerSettings) -> Iterator[EngineProcess]:
    """An engine without a model, killed after the test."""
    engine = EngineProcess(LoadModel(settings.model_folder, "cpu", "float32", "json"), FIXTURE_ENGINE)
    yield engine
    engine.kill()


@pytest.fixture
def context(settings: WorkerSettings, store: JobStore, storage: Storage, engine: EngineProcess) -> WorkerContext:
    drain, served = Drain(settings.drain_grace_s), read_served(settings)
    return WorkerContext(settings, store.workers, storage, engine, drain, served, NoMarks())


class SteppedWorker:
    """A supervisor that runs one ticket per call, in the thread of the test."""

    def __init__(self, context: WorkerContext) -> None:
        self.context = context
        self.spool = Spool(context.settings.spool, new_worker_name())
        self.supervisor = self._supervisor(context)

    def use(self, **changes: Any) -> None:
        """Replaces parts of the context."""
        self.context = replace(self.context, **changes)
        self.supervisor = self._supervisor(self.context)

    def run_one(self) -> None:
        """Takes one ticket and runs it. Raises Drained if the worker takes no more tickets."""
        if (ticket := self.supervisor.next_ticket()) is None:
            raise Drained
        self.supervisor.run_ticket(ticket)

    def _supervisor(self, context: WorkerContext) -> Supervisor:
        url = context.settings.redis_url.get_secret_value()
        return Supervisor(new_worker_name(), connect(url, retries=20), context, self.spool)


@pytest.fixture
def worker(context: WorkerContext) -> Iterator[SteppedWorker]:
    worker = SteppedWorker(context)
    yield worker
    worker.spool.close()


@pytest.fixture(scope="session")
def make_request() -> Callable[..., VideoRequest]:
    """Creates a request; the prompt selects what the fixture engine does."""

    def make_request(prompt: str, **changes: Any) -> VideoRequest:
        values = {
            "model": "easyanimate-v3-tiny",
            "prompt": prompt,
            "width": 128,
            "height": 128,
            "num_frames": 16,
            "fps": 24,
            "num_inference_steps": 4,
            "guidance_scale": 4.0,
            "scheduler": "euler",
            "seed": 7,
        }
        return VideoRequest.model_validate(values | changes)

    return make_request


@pytest.fixture
def submit(store: JobStore, make_request: Callable[..., VideoRequest]) -> Callable[..., Job]:
    """Submits a job."""

    def submit(prompt: str, **changes: Any) -> Job:
        return store.submit(
            Job(id=new_job_id(), owner="me", request=make_request(prompt, **changes), created_at=store.now())
        )

    return submit


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that a test creates to end a run whose prompt ends with ` until PATH`."""
    return tmp_path / "gate"


@pytest.fixture(name="free_port")
def _free_port() -> int:
    """A free port of this machine."""
    return free_port()


@pytest.fixture
def meanwhile() -> Iterator[Callable[[Callable[[], bool], Callable[[], object]], None]]:
    """Runs a function in another thread as soon as a condition holds; the test fails if it did not hold before its end.

    The test also fails with what the condition or the function raises.
    """
    is_over = Event()

    def run(when: Callable[[], bool], do: Callable[[], object]) -> None:
        while not when():
            assert not is_over.wait(0.02), "the condition did not hold before the end of the test"
        do()

    with ThreadPoolExecutor() as pool:
        results: list[Future[None]] = []
        yield lambda when, do: results.append(pool.submit(run, when, do))
        is_over.set()
        for result in results:
            result.result()


@pytest.fixture
def start(settings: WorkerSettings) -> Iterator[Start]:
    """Starts a worker; keyword arguments change its settings."""
    processes: list[subprocess.Popen[str]] = []

    def start(**changes: object) -> "subprocess.Popen[str]":
        names = ("redis_url", "data_dir", "models_dir", "beat_s", "min_free_disk_bytes")
        values = {name: getattr(settings, name) for name in names} | {"drain_grace_s": 0.3} | changes
        values |= {"redis_url": changes.get("redis_url", settings.redis_url.get_secret_value())}
        environment = {f"EASYANIMATE_{name.upper()}": str(value) for name, value in values.items()}
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM)], env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()
