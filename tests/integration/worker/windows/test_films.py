"""Films whose windows are stored and reused, by a supervisor with an engine whose windows are letters of the prompt."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs.model.job import Job, Result
from jobs.model.request import ShotRequest
from jobs.model.states import State
from jobs.settings import S3Settings
from jobs.storage.interface import Storage
from jobs.storage.paths import attempts_prefix
from jobs.storage.s3 import S3Storage
from jobs.storage.windows import WindowIndex
from tests.integration.worker.supervisor.test_process import wait_until
from tests.job_store import JobStore
from worker.settings import WorkerSettings

Submit = Callable[..., Job]
Start = Callable[..., Any]
RunFilm = Callable[..., Result]


@pytest.fixture
def settings(settings: WorkerSettings) -> WorkerSettings:
    return settings.model_copy(update={"reuse_windows": "on"})


@pytest.fixture
def run_film(worker: Any, submit: Submit, store: JobStore) -> RunFilm:
    """Makes a film; returns its result."""

    def run_film(letters: str) -> Result:
        job = submit(f"film {letters}")
        worker.run_one()
        result = store.get(job.id).result
        assert result is not None
        return result

    return run_film


def windows_of(storage: Storage, job_id: str) -> int:
    """The number of stored windows of a job."""
    return sum(item.key.endswith(".mkv") for item in storage.list(attempts_prefix(job_id)))


def test_a_changed_film_makes_only_its_changed_windows(run_film: RunFilm, store: JobStore, storage: Storage) -> None:
    first = run_film("abcd")
    assert (first.windows_made, first.windows_reused, first.steps) == (4, 0, 4)
    changed = run_film("abxd")
    assert (changed.reused_windows, changed.windows_made, changed.steps) == ((0, 1, 3), 1, 1)
    ids = [key.split("/")[1] for key in (first.video_key, changed.video_key)]
    assert [windows_of(storage, job_id) for job_id in ids] == [4, 4]
    store.delete(ids[0])
    storage.delete_prefix(attempts_prefix(ids[0]))
    assert run_film("abyd").reused_windows == (0, 1, 3)


def test_nothing_is_stored_without_the_setting(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, redis: Redis, settings: WorkerSettings
) -> None:
    worker.use(settings=settings.model_copy(update={"reuse_windows": "off"}))
    job = submit("film abcd")
    worker.run_one()
    result = store.get(job.id).result
    assert (result and result.windows_reused, windows_of(storage, job.id)) == (0, 0)
    assert list(redis.scan_iter("windows:*")) == []


def test_by_default_only_the_windows_of_films_are_stored(
    worker: Any, submit: Submit, storage: Storage, settings: WorkerSettings
) -> None:
    default = WorkerSettings.model_fields["reuse_windows"].default
    worker.use(settings=settings.model_copy(update={"reuse_windows": default}))
    shots = tuple(ShotRequest(prompt=letter, num_frames=8, seed=1) for letter in "abcd")
    film, long_video = submit("film abcd", shots=shots), submit("film abcd")
    for _ in range(2):
        worker.run_one()
    assert [windows_of(storage, job.id) for job in (film, long_video)] == [4, 0]


def test_a_damaged_window_is_generated_and_replaced(run_film: RunFilm, redis: Redis) -> None:
    first = run_film("aBcd")
    again = run_film("aBcd")
    assert (first.reused_windows, again.reused_windows) == ((), (0, 2, 3))
    index = WindowIndex(redis)
    (holders,) = {
        tuple(index.holders(window.name)) for window in index.of("me") if len(index.holders(window.name)) == 1
    }
    assert holders == (again.video_key.split("/")[1],)


def test_reused_films_do_not_shorten_the_estimates(run_film: RunFilm, redis: Redis) -> None:
    run_film("abcd")
    before = {key: redis.dump(key) for key in redis.scan_iter("model:*")}
    run_film("abcx")
    assert {key: redis.dump(key) for key in redis.scan_iter("model:*")} == before


def test_the_windows_of_a_failed_film_are_there_for_the_next_one(
    worker: Any, submit: Submit, store: JobStore, run_film: RunFilm
) -> None:
    job = submit("film ab!d")
    worker.run_one()
    assert store.get(job.id).state is State.FAILED
    assert run_film("abcd").reused_windows == (0, 1)


def test_a_worker_that_is_killed_in_the_middle_of_storing_leaves_no_half_window(
    start: Start, submit: Submit, store: JobStore, redis: Redis, tmp_path: Path, storage: Storage
) -> None:
    job, points = submit("film abcd"), tmp_path / "crash"
    points.mkdir()
    (points / "window.stored").touch()
    first = start(reuse_windows="on", crash_points_dir=points)
    wait_until(lambda: first.poll() is not None)
    assert first.returncode == -signal.SIGKILL
    assert (windows_of(storage, job.id), WindowIndex(redis).of("me")) == (1, [])
    store.retry(job.id, store.get(job.id).token or "")
    start(reuse_windows="on")
    wait_until(lambda: store.get(job.id).state is State.COMPLETED)
    again = submit("film abcd")
    wait_until(lambda: store.get(again.id).state is State.COMPLETED)
    stored = {window.name for window in WindowIndex(redis).of("me") if window.job_id == job.id}
    result = store.get(again.id).result
    assert (len(stored), result and result.windows_reused) == (4, 4)


def test_windows_are_stored_and_copied_on_an_s3_server(
    worker: Any, run_film: RunFilm, store: JobStore, s3_settings: S3Settings
) -> None:
    bucket = S3Storage(s3_settings.model_copy(update={"prefix": "films/"}))
    worker.use(storage=bucket)
    first, changed = run_film("abcd"), run_film("abxd")
    assert (first.reused_windows, changed.reused_windows) == ((), (0, 1, 3))
    ids = [result.video_key.split("/")[1] for result in (first, changed)]
    assert [windows_of(bucket, job_id) for job_id in ids] == [4, 4]
    store.delete(ids[0])
    bucket.delete_prefix(attempts_prefix(ids[0]))
    assert run_film("abyd").reused_windows == (0, 1, 3)
