"""A job goes on where another attempt left it: on this host from the spool, on any other from storage."""

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
from worker.checkpoints.store import sweep
from worker.drain import Drain
from worker.settings import WorkerSettings

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]


def stored(storage: Storage, job: Job) -> list[str]:
    prefix = checkpoint_prefix(job.id)
    return sorted(found.key.removeprefix(prefix) for found in storage.list(prefix))


@pytest.fixture
def go_to_another_host(worker: Any, context: WorkerContext, tmp_path: Path) -> Callable[..., None]:
    """The worker's next job is made with a fresh spool, and it may stay."""

    def go(**changes: Any) -> None:
        settings = context.settings.model_copy(update={"spool_dir": tmp_path / "elsewhere", **changes})
        worker.use(settings=settings, drain=Drain(settings.drain_grace_s))

    return go


@pytest.fixture
def handed_back(worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile) -> Job:
    """A job whose worker was told to go when the first of four steps, of a second each, was done."""
    worker.use(drain=Drain(5.0), settings=context.settings.model_copy(update={"drain_grace_s": 5.0}))
    job = submit("steady")
    meanwhile(lambda: store.get(job.id).step == 1, worker.parts.drain.begin)
    worker.do_one()
    return store.get(job.id)


def test_a_worker_that_has_to_go_hands_back_the_job_and_how_it_stands(
    handed_back: Job, store: JobStore, storage: Storage
) -> None:
    assert (handed_back.state, handed_back.attempt) == (State.QUEUED, 0)
    [attempt] = store.attempts(handed_back.id)
    assert attempt.outcome is Outcome.RELEASED
    assert "0/checkpoint.json" in stored(storage, handed_back)


def test_another_host_goes_on_from_storage_and_leaves_nothing(
    handed_back: Job, worker: Any, store: JobStore, storage: Storage, go_to_another_host: Callable[..., None]
) -> None:
    go_to_another_host()
    worker.do_one()
    done = store.get(handed_back.id)
    assert done.state is State.COMPLETED
    assert (store.attempts(done.id)[-1].resumed_step or 0) >= 2
    assert stored(storage, done) == []
    assert not list((worker.parts.settings.checkpoints).iterdir())


def test_the_same_host_goes_on_from_its_spool(worker: Any, submit: Submit, store: JobStore, storage: Storage) -> None:
    job = submit("once")  # its engine dies in the third step of the first attempt
    worker.do_one()
    assert store.get(job.id).state is State.QUEUED
    assert (worker.parts.settings.checkpoints / job.id / "0" / "checkpoint.json").is_file()
    worker.do_one()
    assert store.get(job.id).state is State.COMPLETED
    assert [attempt.resumed_step for attempt in store.attempts(job.id)] == [None, 2]
    assert (list(worker.parts.settings.checkpoints.iterdir()), stored(storage, job)) == ([], [])


def test_a_job_whose_checkpoints_are_out_of_reach_begins_anew(
    worker: Any,
    submit: Submit,
    store: JobStore,
    storage: Storage,
    go_to_another_host: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.checkpoints.store.FETCH_PATIENCE_S", 0.0)
    job = submit("once")
    worker.do_one()
    go_to_another_host()
    worker.use(storage=AwayForReading(storage))
    worker.do_one()
    assert store.get(job.id).state is State.QUEUED  # it began at the beginning, and died there again


class AwayForReading:
    """A storage that takes everything and gives nothing back."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def look(self, key: str) -> Any:
        raise StorageUnavailable


def test_checkpoints_of_a_long_run_are_stored_on_the_way_and_only_the_newest_stays(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"checkpoint_store_every_s": 0.0}))
    job = submit("brief")
    seen: list[list[str]] = []

    def third_is_stored() -> bool:
        seen.append(stored(storage, job))
        return seen[-1] == ["0/checkpoint.json", "0/state-3.safetensors"]

    meanwhile(third_is_stored, lambda: store.cancel(job.id))
    worker.do_one()
    assert store.get(job.id).state is State.CANCELLED
    assert seen[-1] == ["0/checkpoint.json", "0/state-3.safetensors"]


def test_a_worker_that_was_given_up_stores_no_checkpoint_any_more(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"checkpoint_store_every_s": 1.0}))
    job = submit("steady")

    def lose() -> None:
        token = store.get(job.id).token
        assert token is not None
        store.retry(job.id, token)  # as the keeper does

    meanwhile(lambda: store.get(job.id).phase is Phase.DENOISING, lose)
    worker.do_one()
    assert stored(storage, job) == []


def test_checkpoints_of_jobs_that_ended_elsewhere_are_swept_from_the_spool(
    settings: WorkerSettings, submit: Submit, store: JobStore
) -> None:
    waiting, ended = submit("a red ball"), submit("a blue ball")
    store.cancel(ended.id)
    for name in (waiting.id, ended.id, "video_gone"):
        (settings.checkpoints / name / "0").mkdir(parents=True)
    sweep(settings.checkpoints, store)
    assert [path.name for path in settings.checkpoints.iterdir()] == [waiting.id]


def test_a_job_that_is_too_large_is_made_with_less_memory_and_the_next_as_before(
    worker: Any, submit: Submit, store: JobStore
) -> None:
    tight = submit("tight")
    worker.do_one()
    done = store.get(tight.id)
    assert (done.state, done.attempt) == (State.COMPLETED, 1)
    usual = submit("a red ball")
    worker.do_one()
    assert (store.get(usual.id).state, worker.parts.engine.memory) == (State.COMPLETED, "normal")
