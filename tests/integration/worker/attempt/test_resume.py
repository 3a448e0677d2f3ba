"""A job resumes from the checkpoint of another attempt: on the same host from the spool, elsewhere from storage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import StorageUnavailable
from jobs.model.job import Job
from jobs.model.states import Phase, State
from jobs.storage.interface import Storage
from jobs.storage.paths import checkpoint_prefix
from jobs.store.attempt_log import Outcome
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext
from worker.checkpoints.store import sweep_checkpoints
from worker.drain import Drain
from worker.settings import WorkerSettings

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]


def stored(storage: Storage, job: Job) -> list[str]:
    prefix = checkpoint_prefix(job.id)
    return sorted(listed.key.removeprefix(prefix) for listed in storage.list(prefix))


@pytest.fixture
def move_to_another_host(worker: Any, context: WorkerContext, tmp_path: Path) -> Callable[..., None]:
    """Gives the worker an empty spool and ends its drain."""

    def move(**changes: Any) -> None:
        settings = context.settings.model_copy(update={"spool_dir": tmp_path / "elsewhere", **changes})
        worker.use(settings=settings, drain=Drain(settings.drain_grace_s))

    return move


@pytest.fixture
def released_job(worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile) -> Job:
    """A job whose worker drained after the first of four steps, of a second each."""
    worker.use(drain=Drain(5.0), settings=context.settings.model_copy(update={"drain_grace_s": 5.0}))
    job = submit("steady")
    meanwhile(lambda: store.get(job.id).step == 1, worker.context.drain.begin)
    worker.run_one()
    return store.get(job.id)


def test_a_drained_worker_releases_the_job_and_stores_its_checkpoint(
    released_job: Job, store: JobStore, storage: Storage
) -> None:
    assert (released_job.state, released_job.attempt) == (State.QUEUED, 0)
    [attempt] = store.attempts(released_job.id)
    assert attempt.outcome is Outcome.RELEASED
    assert "0/checkpoint.json" in stored(storage, released_job)


def test_another_host_resumes_from_storage_and_leaves_no_file(
    released_job: Job, worker: Any, store: JobStore, storage: Storage, move_to_another_host: Callable[..., None]
) -> None:
    move_to_another_host()
    worker.run_one()
    done = store.get(released_job.id)
    assert done.state is State.COMPLETED
    assert (store.attempts(done.id)[-1].resumed_step or 0) >= 2
    assert stored(storage, done) == []
    assert not list((worker.context.settings.checkpoints).iterdir())


def test_the_same_host_resumes_from_its_spool(worker: Any, submit: Submit, store: JobStore, storage: Storage) -> None:
    job = submit("once")  # its engine dies in the third step of the first attempt
    worker.run_one()
    assert store.get(job.id).state is State.QUEUED
    assert (worker.context.settings.checkpoints / job.id / "0" / "checkpoint.json").is_file()
    worker.run_one()
    assert store.get(job.id).state is State.COMPLETED
    assert [attempt.resumed_step for attempt in store.attempts(job.id)] == [None, 2]
    assert (list(worker.context.settings.checkpoints.iterdir()), stored(storage, job)) == ([], [])


def test_a_job_whose_checkpoints_cannot_be_fetched_starts_again(
    worker: Any,
    submit: Submit,
    store: JobStore,
    storage: Storage,
    move_to_another_host: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.checkpoints.store.FETCH_TIMEOUT_S", 0.0)
    job = submit("once")
    worker.run_one()
    move_to_another_host()
    worker.use(storage=UnreadableStorage(storage))
    worker.run_one()
    assert store.get(job.id).state is State.QUEUED  # it started at step 0, and the engine died again


class UnreadableStorage:
    """A storage that can be written and not read."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def stat(self, key: str) -> Any:
        raise StorageUnavailable


def test_checkpoints_of_a_long_run_are_stored_during_it_and_only_the_newest_stays(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"checkpoint_store_every_s": 0.0}))
    job = submit("brief")
    listings: list[list[str]] = []

    def third_is_stored() -> bool:
        listings.append(stored(storage, job))
        return listings[-1] == ["0/checkpoint.json", "0/state-3.safetensors"]

    meanwhile(third_is_stored, lambda: store.cancel(job.id))
    worker.run_one()
    assert store.get(job.id).state is State.CANCELLED
    assert listings[-1] == ["0/checkpoint.json", "0/state-3.safetensors"]


def test_a_worker_that_lost_its_lease_stores_no_checkpoint(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"checkpoint_store_every_s": 1.0}))
    job = submit("steady")

    def lose() -> None:
        token = store.get(job.id).token
        assert token is not None
        store.retry(job.id, token)  # as the keeper does

    meanwhile(lambda: store.get(job.id).phase is Phase.DENOISING, lose)
    worker.run_one()
    assert stored(storage, job) == []


def test_checkpoints_of_final_jobs_are_deleted_from_the_spool(
    settings: WorkerSettings, submit: Submit, store: JobStore
) -> None:
    waiting, ended = submit("a red ball"), submit("a blue ball")
    store.cancel(ended.id)
    for name in (waiting.id, ended.id, "video_gone"):
        (settings.checkpoints / name / "0").mkdir(parents=True)
    sweep_checkpoints(settings.checkpoints, store)
    assert [path.name for path in settings.checkpoints.iterdir()] == [waiting.id]


def test_a_job_that_is_too_large_runs_in_a_smaller_profile_and_the_next_one_as_before(
    worker: Any, submit: Submit, store: JobStore
) -> None:
    tight = submit("tight")
    worker.run_one()
    done = store.get(tight.id)
    assert (done.state, done.attempt) == (State.COMPLETED, 1)
    usual = submit("a red ball")
    worker.run_one()
    assert (store.get(usual.id).state, worker.context.engine.memory) == (State.COMPLETED, "normal")
