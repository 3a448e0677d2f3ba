"""Windows between the disk of a worker and the storage, with a real Redis; a window may be lost, and no job with it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from jobs.errors import StorageUnavailable
from jobs.model.failure import failure
from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.redis.connection import connect
from jobs.redis.keys import UNREADABLE_KEY
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from jobs.storage.paths import attempts_prefix, window_file_keys
from jobs.storage.windows import WindowIndex
from tests.job_store import JobStore
from worker.protocol.messages import WindowDamaged, WindowFinished, WindowReply, WindowReused, WindowWanted
from worker.windows.format import WindowFiles
from worker.windows.transfer import WindowTransfer

WINDOW, OTHER = "a" * 64, "b" * 64
Begin = Callable[..., "Attempt"]


class Attempt:
    """A running attempt at a job, whose engine is the test."""

    def __init__(self, job: Job, store: JobStore, storage: Storage, folder: Path, *, holds_back: bool = False) -> None:
        self.job, self.folder = job, folder
        self.transfer = WindowTransfer(job, store.table, storage, folder, holds_back=holds_back)

    def make(self, name: str, content: bytes = b"frames", *, is_resumed: bool = False) -> None:
        """The engine generates a window, or sends one of an earlier attempt again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        files = WindowFiles(self.folder, name)
        for path in files.paths:
            path.write_bytes(content)
        self.transfer.put(WindowFinished(name, files.size_bytes, is_resumed))

    def find(self, name: str) -> bool:
        """The engine asks for a window."""
        self.transfer.put(WindowWanted(name))
        deadline = time.monotonic() + 120
        while not (replies := list(self.transfer.replies())):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        (reply,) = replies
        assert reply == WindowReply(self.job.token or "", name, reply.is_fetched)
        return reply.is_fetched


@pytest.fixture
def begin(
    store: JobStore, storage: Storage, make_request: Callable[..., VideoRequest], tmp_path: Path
) -> Iterator[Begin]:
    """Submits a job and leases it."""
    attempts: list[Attempt] = []

    def begin(owner: str = "me", through: Storage = storage, **options: Any) -> Attempt:
        job_id = new_job_id()
        store.submit(Job(id=job_id, owner=owner, request=make_request("a film"), created_at=store.now()))
        job = store.lease(job_id, "w1")
        assert job is not None
        attempts.append(Attempt(job, store, through, tmp_path / job_id, **options))
        return attempts[-1]

    yield begin
    for attempt in attempts:
        attempt.transfer.close()


def keys_of(storage: Storage, attempt: Attempt) -> list[str]:
    return sorted(item.key.rpartition("/")[2] for item in storage.list(attempts_prefix(attempt.job.id)))


def names(window: str) -> list[str]:
    return [key.rpartition("/")[2] for key in window_file_keys("video_1", window)]


def test_another_video_of_the_owner_finds_a_stored_window(begin: Begin, storage: Storage) -> None:
    first, second = begin(), begin()
    first.make(WINDOW, b"red")
    first.transfer.finish(120)
    assert keys_of(storage, first) == names(WINDOW)
    assert not list(first.folder.iterdir())
    assert [second.find(OTHER), second.find(WINDOW)] == [False, True]
    assert {path.read_bytes() for path in WindowFiles(second.folder, WINDOW).paths} == {b"red"}


def test_a_video_that_reuses_a_window_has_its_own_after_the_deletion_of_the_other(
    begin: Begin, storage: Storage, store: JobStore
) -> None:
    first, second, third = begin(), begin(), begin()
    first.make(WINDOW)
    first.transfer.finish(120)
    assert second.find(WINDOW)
    second.transfer.put(WindowReused(WINDOW))
    second.transfer.finish(120)
    storage.delete_prefix(attempts_prefix(first.job.id))
    store.delete(first.job.id)
    assert keys_of(storage, second) == names(WINDOW)
    assert third.find(WINDOW)


def test_another_owner_never_finds_a_window(begin: Begin) -> None:
    first, other = begin(), begin(owner="another")
    first.make(WINDOW)
    first.transfer.finish(120)
    assert not other.find(WINDOW)  # even if the key did not contain the owner


@pytest.mark.parametrize("files_too", [True, False])
def test_a_deleted_video_has_no_windows(begin: Begin, storage: Storage, store: JobStore, files_too: bool) -> None:
    first, second = begin(), begin()
    first.make(WINDOW)
    first.transfer.finish(120)
    if files_too:
        storage.delete_prefix(attempts_prefix(first.job.id))
    store.delete(first.job.id)
    assert not second.find(WINDOW)


def test_a_worker_that_is_late_adds_no_window_to_a_deleted_video(begin: Begin, store: JobStore, redis: Redis) -> None:
    first = begin()
    store.delete(first.job.id)
    first.make(WINDOW)
    first.transfer.finish(120)
    assert WindowIndex(redis).holders(WINDOW) == []


def test_a_cancelled_video_keeps_its_windows(begin: Begin, store: JobStore) -> None:
    first, second = begin(), begin()
    first.make(WINDOW)
    first.transfer.finish(120)
    store.fail(first.job.id, first.job.token or "", failure("cancelled"))
    assert second.find(WINDOW)


def test_a_damaged_window_is_counted_and_deleted(begin: Begin, storage: Storage, redis: Redis) -> None:
    first, second, third = begin(), begin(), begin()
    first.make(WINDOW)
    first.transfer.finish(120)
    assert second.find(WINDOW)
    with capture_logs() as logs:
        second.transfer.put(WindowDamaged(WINDOW, "the frames are damaged"))
    assert [(entry["event"], entry["kind"]) for entry in logs if "kind" in entry] == [("value.unreadable", "window")]
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [f"window {first.job.id}/{WINDOW}".encode()]
    assert keys_of(storage, first) == []
    second.make(WINDOW)
    second.transfer.finish(120)
    assert third.find(WINDOW)


class Failing(LocalStorage):
    """A storage that cannot be used, or fails with an unexpected error."""

    error: Exception = StorageUnavailable()

    def put_file(self, key: str, path: Path) -> None:
        raise self.error

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        raise self.error


@pytest.mark.parametrize("error", [StorageUnavailable(), RuntimeError("of any kind")])
def test_a_storage_that_fails_is_a_miss(begin: Begin, settings: Any, error: Exception) -> None:
    failing = Failing(settings.data_dir / "objects", public_url="", secret=b"s")
    failing.error = error
    first, second, unlucky = begin(), begin(through=failing), begin(through=failing)
    first.make(WINDOW)
    first.transfer.finish(120)
    assert not second.find(WINDOW)
    with capture_logs() as logs:
        unlucky.make(OTHER)
        unlucky.transfer.finish(120)
        assert not unlucky.find(OTHER)
    assert "window.not_stored" in [entry["event"] for entry in logs]


def test_a_resumed_run_stores_only_the_windows_that_are_not_stored(begin: Begin, storage: Storage) -> None:
    first = begin()
    first.make(WINDOW, b"red")
    first.transfer.finish(120)
    first.make(WINDOW, b"sent again", is_resumed=True)
    first.make(OTHER, b"blue", is_resumed=True)
    first.transfer.finish(120)
    assert keys_of(storage, first) == sorted([*names(WINDOW), *names(OTHER)])
    assert not list(first.folder.iterdir())
    second = begin()
    assert second.find(WINDOW)
    assert WindowFiles(second.folder, WINDOW).frames.read_bytes() == b"red"


def test_a_redis_that_is_away_is_a_miss(begin: Begin, free_port: int) -> None:
    first = begin()
    first.transfer.index = WindowIndex(connect(f"redis://127.0.0.1:{free_port}", retries=0))
    assert not first.find(WINDOW)


def test_windows_are_held_back_until_the_video_is_allowed(begin: Begin, storage: Storage) -> None:
    first = begin(holds_back=True)
    first.make(WINDOW)
    first.transfer.finish(120)
    assert keys_of(storage, first) == []
    first.transfer.release()
    first.transfer.finish(120)
    assert keys_of(storage, first) == names(WINDOW)
