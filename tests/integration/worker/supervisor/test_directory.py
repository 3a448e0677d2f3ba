"""A worker announces what it does, and drains at the request of an operator on any host."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from jobs.model.job import Job
from jobs.model.states import Phase, State
from jobs.queue.workers import DrainState, WorkerDirectory, WorkerState
from tests.integration.worker.conftest import SteppedWorker
from tests.integration.worker.supervisor.test_process import wait_until
from tests.job_store import JobStore
from worker.drain import Drain
from worker.supervisor.directory import DirectoryThread

MODEL = "easyanimate-v3-tiny"
Start = Callable[..., "subprocess.Popen[str]"]
Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]


@pytest.fixture
def directory(redis: Redis) -> WorkerDirectory:
    """The directory as another host sees it."""
    return WorkerDirectory(redis)


def test_a_worker_announces_its_job_and_drains_after_it(
    worker: SteppedWorker,
    directory: WorkerDirectory,
    submit: Submit,
    store: JobStore,
    meanwhile: Meanwhile,
    monkeypatch: pytest.MonkeyPatch,
    gate: Path,
) -> None:
    worker.use(drain=Drain(600.0))
    # without the timer that ends the whole process
    monkeypatch.setattr("worker.supervisor.directory.begin_requested_shutdown", lambda drain: drain.begin_requested())
    thread, name = DirectoryThread(worker.supervisor), worker.supervisor.name
    thread.start()
    wait_until(lambda: [status.state for status in directory.all()] == [WorkerState.IDLE])
    first, second = submit(f"a red ball until {gate}"), submit("a job for another worker")

    def is_busy() -> bool:
        [status] = directory.all()
        is_announced = status.state is WorkerState.BUSY and status.entry and status.entry.job_id == first.id
        return bool(is_announced) and store.get(first.id).phase is Phase.DENOISING

    def drain() -> None:
        directory.request_drain(name)
        wait_until(lambda: worker.context.drain.has_begun)
        gate.touch()

    meanwhile(is_busy, drain)
    worker.run_one()
    assert store.get(first.id).state is State.COMPLETED, "the running job ended within the grace period"
    assert worker.supervisor.next_ticket() is None
    assert store.get(second.id).state is State.QUEUED
    wait_until(lambda: directory.get(name).drain_state is DrainState.ACCEPTED)
    entry = directory.get(name).entry
    assert entry is not None
    assert entry.drain_ends_at is not None
    thread.stop()
    assert (directory.all(), directory.get(name).drain_state) == ([], DrainState.ENDED)


def test_a_drained_process_hands_its_job_back_and_exits_with_0_as_after_sigterm(
    start: Start, directory: WorkerDirectory, submit: Submit, store: JobStore
) -> None:
    job = submit("slow")
    worker = start(drain_grace_s=0.3)
    wait_until(lambda: store.get(job.id).phase is Phase.DENOISING)
    wait_until(lambda: len(directory.all()) == 1)
    [status] = directory.all()
    directory.request_drain(status.name)
    assert worker.wait(120) == 0
    released = store.get(job.id)
    assert (released.state, released.attempt) == (State.QUEUED, 0)
    assert directory.request_drain(status.name).drain_state is DrainState.ENDED


def test_a_worker_that_is_stopped_by_its_host_does_not_answer(
    start: Start, directory: WorkerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.queue.workers.DRAIN_ANSWER_S", 0.5)
    worker = start()
    wait_until(lambda: [status.state for status in directory.all()] == [WorkerState.IDLE])
    worker.send_signal(signal.SIGSTOP)
    [status] = directory.all()
    directory.request_drain(status.name)
    wait_until(lambda: directory.get(status.name).drain_state is DrainState.UNANSWERED)
    worker.send_signal(signal.SIGCONT)
    assert worker.wait(120) == 0, "it answers as soon as it can"
