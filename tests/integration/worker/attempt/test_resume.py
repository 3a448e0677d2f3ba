"""A job resumes from the checkpoint of another attempt: on the same host from the spool, elsewhere from storage."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from redis import Redis

from easyanimate.files.manifest import file_sha256
from jobs.errors import StorageUnavailable
from jobs.model.job import Job
from jobs.model.states import State
from jobs.redis.keys import COUNTERS_KEY, UNREADABLE_KEY
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from jobs.storage.paths import checkpoint_prefix
from jobs.store.attempt_log import Outcome
from jobs.store.counters import read_counters
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext
from worker.checkpoints.format import Checkpoint, NamedFile, read_checkpoint
from worker.checkpoints.store import UNKNOWN_FOR_S, CheckpointStore, sweep_checkpoints
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
    """A job whose worker drained in the second of many steps."""
    worker.use(drain=Drain(240.0), settings=context.settings.model_copy(update={"drain_grace_s": 240.0}))
    job = submit("many")
    meanwhile(lambda: store.get(job.id).step >= 1, worker.context.drain.begin)
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


def test_a_damaged_file_of_a_checkpoint_is_counted(worker: Any, submit: Submit, store: JobStore, redis: Redis) -> None:
    job = submit("once")
    worker.run_one()
    folder = worker.context.settings.checkpoints / job.id / "0"
    (folder / "state-2.safetensors").write_bytes(b"damaged")
    worker.run_one()
    assert [attempt.resumed_step for attempt in store.attempts(job.id)][-1] is None
    assert redis.hget(COUNTERS_KEY, '["unreadable", "checkpoint"]') == b"1"
    assert redis.zscore(UNREADABLE_KEY, f"checkpoint {job.id}/0")


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
    worker: Any,
    submit: Submit,
    store: JobStore,
    storage: Storage,
    context: WorkerContext,
    meanwhile: Meanwhile,
    gate: Path,
) -> None:
    worker.use(settings=context.settings.model_copy(update={"checkpoint_store_every_s": 0.0}))
    job = submit(f"brief until {gate}")  # it never exists: the run stays in its third step
    listings: list[list[str]] = []

    def second_is_stored() -> bool:
        listings.append(stored(storage, job))
        return listings[-1] == ["0/checkpoint.json", "0/state-2.safetensors"]

    meanwhile(second_is_stored, lambda: store.cancel(job.id))
    worker.run_one()
    assert store.get(job.id).state is State.CANCELLED
    assert listings[-1] == ["0/checkpoint.json", "0/state-2.safetensors"]


class HeldStorage(LocalStorage):
    """Holds the first upload of a checkpoint's file from `reached` until `released`."""

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings.data_dir / "objects", public_url="", secret=b"s")
        self.reached, self.released = Event(), Event()

    def put_file(self, key: str, path: Path) -> None:
        super().put_file(key, path)
        if key.startswith("checkpoints/"):
            self.reached.set()
            assert self.released.wait(60)


def end_of_uploads() -> None:
    """Waits for the threads that store checkpoints."""
    for thread in threading.enumerate():
        if thread.name == "checkpoints":
            thread.join(60)
            assert not thread.is_alive()


def test_a_worker_that_lost_its_lease_ends_the_attempt_and_stores_nothing_more_of_the_checkpoint(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    storage = HeldStorage(context.settings)
    worker.use(storage=storage, settings=context.settings.model_copy(update={"checkpoint_store_every_s": 0.0}))
    job = submit("steady")
    meanwhile(storage.reached.is_set, lambda: store.retry(job.id, store.get(job.id).token or ""))  # as the keeper does
    worker.run_one()
    assert stored(storage, job) == ["0/state-1.safetensors"]
    storage.released.set()
    end_of_uploads()
    assert stored(storage, job) == ["0/state-1.safetensors"]
    assert [attempt.outcome for attempt in store.attempts(job.id)] == [Outcome.RETRIED]
    assert store.get(job.id).state is State.QUEUED


def write_checkpoint(checkpoints: CheckpointStore, step: int, windows: int = 0, *, keeps_states: bool = False) -> None:
    """Writes a checkpoint to the spool as the engine does; with `keeps_states` also the states of stored windows."""
    folder = checkpoints.folder
    folder.mkdir(parents=True, exist_ok=True)

    def named(name: str) -> NamedFile:
        (folder / name).write_text(name)
        return NamedFile(name=f"{folder.name}/{name}", sha256=file_sha256(folder / name))

    names = tuple(named(f"window-{number}.mkv") for number in range(windows))
    states = tuple(named(f"window-{number}.safetensors") for number in range(windows) if keeps_states)
    files: dict[str, Any] = {"windows": names, "window_states": states, "state": named(f"state-{step}.safetensors")}
    Checkpoint(fingerprint="", step=step, **files).write(folder)
    checkpoints.notify_written()


@pytest.mark.parametrize("uploads", [0, 1, 2])
def test_a_lost_lease_stops_the_upload_of_a_checkpoint_before_its_next_object(
    submit: Submit, redis: Redis, settings: WorkerSettings, uploads: int
) -> None:
    job, storage = submit("a red ball"), LocalStorage(settings.data_dir / "objects", public_url="", secret=b"s")
    checkpoints = CheckpointStore(job, storage, settings, lambda: len(stored(storage, job)) >= uploads, redis)
    write_checkpoint(checkpoints, step=3, windows=1)
    assert not checkpoints.flush(1.0)
    end_of_uploads()  # they end by the lost lease
    checkpoints.close()
    assert stored(storage, job) == ["0/state-3.safetensors", "0/window-0.mkv"][2 - uploads :]


def test_a_flush_stores_the_newest_checkpoint_before_its_interval_is_over(
    submit: Submit, redis: Redis, settings: WorkerSettings, storage: Storage
) -> None:
    job = submit("a red ball")
    seldom = settings.model_copy(update={"checkpoint_store_every_s": 3600.0})
    checkpoints = CheckpointStore(job, storage, seldom, lambda: False, redis)
    write_checkpoint(checkpoints, step=3, windows=1)
    write_checkpoint(checkpoints, step=4, windows=1)
    assert stored(storage, job) == []
    assert checkpoints.flush(60.0)
    assert stored(storage, job) == ["0/checkpoint.json", "0/state-4.safetensors", "0/window-0.mkv"]
    write_checkpoint(checkpoints, step=5, windows=1)
    assert checkpoints.flush(60.0)
    assert stored(storage, job) == ["0/checkpoint.json", "0/state-5.safetensors", "0/window-0.mkv"]
    checkpoints.close()


def test_a_flush_ends_after_its_timeout_while_the_storage_hangs(
    submit: Submit, redis: Redis, settings: WorkerSettings
) -> None:
    storage = HeldStorage(settings)
    checkpoints = CheckpointStore(submit("a red ball"), storage, settings, lambda: False, redis)
    write_checkpoint(checkpoints, step=3)
    assert not checkpoints.flush(0.2)  # the storage answers only below
    storage.released.set()
    checkpoints.close()


def test_a_checkpoint_is_fetched_from_the_latest_of_the_last_eight_attempts(
    submit: Submit, redis: Redis, settings: WorkerSettings, storage: Storage, tmp_path: Path
) -> None:
    job = submit("a red ball")
    for handover in (2, 3):
        there = CheckpointStore(job.evolve(handover=handover), storage, settings, lambda: False, redis)
        write_checkpoint(there, step=handover)
        assert there.flush(60.0)
        there.close()
    elsewhere = settings.model_copy(update={"spool_dir": tmp_path / "elsewhere"})

    def fetched_at(handover: int) -> list[str]:
        here = CheckpointStore(job.evolve(handover=handover), storage, elsewhere, lambda: False, redis)
        here.fetch()
        folders = sorted(path.name for path in here.job_folder.glob("*"))
        shutil.rmtree(here.job_folder, ignore_errors=True)
        return folders

    assert [fetched_at(handover) for handover in (4, 11, 12)] == [["3"], ["3"], []]


def test_a_run_resumes_without_the_state_of_a_stored_window_that_is_missing(
    submit: Submit, redis: Redis, settings: WorkerSettings, storage: Storage, tmp_path: Path
) -> None:
    job = submit("a red ball")
    there = CheckpointStore(job, storage, settings, lambda: False, redis)
    write_checkpoint(there, step=4, windows=2, keeps_states=True)
    assert there.flush(60.0)
    there.close()
    storage.delete(f"{checkpoint_prefix(job.id)}0/window-0.safetensors")
    elsewhere = settings.model_copy(update={"spool_dir": tmp_path / "elsewhere"})
    here = CheckpointStore(job.evolve(handover=1), storage, elsewhere, lambda: False, redis)
    here.fetch()
    fetched = read_checkpoint(here.job_folder / "0")
    assert [file.name for file in fetched.window_states] == ["0/window-1.safetensors"]
    assert all((here.job_folder / file.name).is_file() for file in fetched.files)


def test_a_damaged_stored_checkpoint_is_ignored_and_the_one_before_it_is_fetched(
    submit: Submit, redis: Redis, settings: WorkerSettings, storage: Storage, tmp_path: Path
) -> None:
    job = submit("a red ball")
    there = CheckpointStore(job, storage, settings, lambda: False, redis)
    write_checkpoint(there, step=1)
    assert there.flush(60.0)
    there.close()
    storage.put_bytes(f"{checkpoint_prefix(job.id)}1/checkpoint.json", b"{")
    elsewhere = settings.model_copy(update={"spool_dir": tmp_path / "elsewhere"})
    here = CheckpointStore(job.evolve(handover=2), storage, elsewhere, lambda: False, redis)
    for _ in range(2):  # a second reader does not count it again
        here.fetch()
        assert read_checkpoint(here.job_folder / "0").step == 1
    assert read_counters(redis)["unreadable", "checkpoint"] == 1


def test_a_damaged_checkpoint_in_the_spool_is_counted_and_the_stored_one_is_fetched(
    submit: Submit, redis: Redis, settings: WorkerSettings, storage: Storage
) -> None:
    job = submit("a red ball")
    before = CheckpointStore(job, storage, settings, lambda: False, redis)
    write_checkpoint(before, step=1)
    assert before.flush(60.0)
    before.close()
    after = CheckpointStore(job.evolve(handover=2), storage, settings, lambda: False, redis)
    (after.job_folder / "1").mkdir()
    (after.job_folder / "1" / "checkpoint.json").write_bytes(b"{")
    after.fetch()
    assert read_checkpoint(after.job_folder / "0").step == 1
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [f"checkpoint {job.id}/1".encode()]


def test_checkpoints_of_final_jobs_are_deleted_from_the_spool(
    settings: WorkerSettings, submit: Submit, store: JobStore
) -> None:
    waiting, ended = submit("a red ball"), submit("a blue ball")
    deleted = submit("a green ball")
    store.cancel(ended.id)
    store.delete(deleted.id)
    for name in (waiting.id, ended.id, deleted.id):
        (settings.checkpoints / name / "0").mkdir(parents=True)
    sweep_checkpoints(settings.checkpoints, store)
    assert [path.name for path in settings.checkpoints.iterdir()] == [waiting.id]


def test_checkpoints_of_jobs_of_another_installation_stay_in_the_spool_until_they_are_old(
    settings: WorkerSettings, store: JobStore
) -> None:
    for name in ("video_runs", "video_gone"):
        (settings.checkpoints / name / "0" / "12").mkdir(parents=True)
    old = time.time() - UNKNOWN_FOR_S - 60
    folders = ("video_gone", "video_gone/0", "video_gone/0/12", "video_runs", "video_runs/0")
    for name in folders:
        os.utime(settings.checkpoints / name, (old, old))
    sweep_checkpoints(settings.checkpoints, store)
    assert [path.name for path in settings.checkpoints.iterdir()] == ["video_runs"]


def test_a_worker_deletes_the_checkpoints_of_final_jobs_of_its_host_after_each_job(
    worker: Any, submit: Submit, store: JobStore, settings: WorkerSettings
) -> None:
    ended, waiting = submit("a red ball"), submit("a blue ball")
    store.cancel(ended.id)
    (settings.checkpoints / ended.id / "0").mkdir(parents=True)
    worker.run_one()
    assert store.get(waiting.id).state is State.COMPLETED
    assert list(settings.checkpoints.iterdir()) == []


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
