"""The sweeps of the keeper continue past what cannot be read or deleted, and delete nothing that may be needed."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from structlog.testing import capture_logs

from jobs.errors import StorageRefused
from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.model.states import State
from jobs.redis.keys import UNREADABLE_KEY
from jobs.storage.interface import StoredObject
from jobs.storage.local import LocalStorage
from jobs.storage.paths import input_key
from jobs.storage.uploads import UploadIndex
from jobs.store.keeper.retention import CleanupQueue
from tests.job_store import JobStore
from worker.keeper.orphans import OrphanSweeper
from worker.keeper.recovery import RecoverySweeper
from worker.keeper.retention import RetentionSweeper
from worker.keeper.uploads import UploadSweeper
from worker.settings import KeeperSettings

Request = Callable[..., VideoRequest]


class LockedStorage(LocalStorage):
    """A folder in which the objects of some jobs are locked, as a bucket with a retention lock."""

    locked: frozenset[str] = frozenset()

    def delete_prefix(self, prefix: str) -> None:
        self._check(prefix)
        super().delete_prefix(prefix)

    def delete(self, key: str) -> None:
        self._check(key)
        super().delete(key)

    def _check(self, key: str) -> None:
        if any(name in key for name in self.locked):
            raise StorageRefused("the object is locked")


@pytest.fixture
def keeper_settings(tmp_path: Path) -> KeeperSettings:
    return KeeperSettings.model_validate({"data_dir": tmp_path})


@pytest.fixture
def locked_storage(tmp_path: Path) -> LockedStorage:
    return LockedStorage(tmp_path / "objects", public_url="", secret=b"s")


@pytest.fixture
def ended(store: JobStore, make_request: Request) -> Callable[..., Job]:
    """A job that was cancelled, with its files due for deletion now."""

    def ended(retention_s: float = 0.0) -> Job:
        request = make_request("a red ball")
        job = Job(id=new_job_id(), owner="me", request=request, created_at=store.now(), retention_s=retention_s)
        store.submit(job)
        store.cancel(job.id)
        store.redis.zadd(CleanupQueue.FILES, {job.id: 1.0})
        return job

    return ended


def test_a_late_job_ends_behind_an_unreadable_one_and_the_keeper_reports_it_once(
    store: JobStore, make_request: Request, keeper_settings: KeeperSettings
) -> None:
    request = make_request("a red ball")
    odd, late = (
        store.submit(Job(id=new_job_id(), owner="me", request=request, created_at=1.0, deadline=deadline))
        for deadline in (1.0, 2.0)
    )
    store.redis.hset(f"job:{odd.id}", "request", "{")
    sweeper = RecoverySweeper(store.table, keeper_settings)
    with capture_logs() as logs:
        sweeper.sweep()
        sweeper.sweep()
    assert store.get(late.id).state is State.EXPIRED
    assert [(line["kind"], line["name"]) for line in logs if line["event"] == "value.unreadable"] == [("job", odd.id)]


def test_a_job_that_has_not_expired_stays_in_its_queue(
    store: JobStore, ended: Callable[..., Job], locked_storage: LockedStorage, keeper_settings: KeeperSettings
) -> None:
    job = ended(retention_s=3600.0)
    RetentionSweeper(store.table, locked_storage, keeper_settings).sweep()
    assert store.redis.zscore(CleanupQueue.FILES, job.id) == store.get(job.id).expires_at
    assert not store.get(job.id).files_gone


def test_the_files_of_a_job_with_a_state_of_a_newer_release_stay(
    store: JobStore, ended: Callable[..., Job], locked_storage: LockedStorage, keeper_settings: KeeperSettings
) -> None:
    job = ended()
    key = input_key(job.id, "image.png")
    locked_storage.put_bytes(key, b"picture")
    store.redis.hset(f"job:{job.id}", "state", '"archived"')
    RetentionSweeper(store.table, locked_storage, keeper_settings).sweep()
    assert locked_storage.stat(key).size_bytes == 7
    assert float(store.redis.zscore(CleanupQueue.FILES, job.id) or 0) > time.time()


def test_one_locked_object_does_not_stop_the_deletion_of_others(
    store: JobStore, ended: Callable[..., Job], locked_storage: LockedStorage, keeper_settings: KeeperSettings
) -> None:
    first, second = ended(), ended()
    for job in (first, second):
        locked_storage.put_bytes(input_key(job.id, "image.png"), b"picture")
    locked_storage.locked = frozenset({first.id})
    RetentionSweeper(store.table, locked_storage, keeper_settings).sweep()
    assert (store.get(first.id).files_gone, store.get(second.id).files_gone) == (False, True)
    assert store.redis.zrange(UNREADABLE_KEY, 0, -1) == [f"job {first.id}".encode()]


def test_a_storage_that_refuses_everything_ends_the_sweep(
    store: JobStore, ended: Callable[..., Job], locked_storage: LockedStorage, keeper_settings: KeeperSettings
) -> None:
    for _ in range(14):
        ended()
    locked_storage.locked = frozenset({"inputs/"})
    with pytest.raises(StorageRefused):
        RetentionSweeper(store.table, locked_storage, keeper_settings).sweep()
    assert store.redis.zcount(CleanupQueue.FILES, 0, time.time()) == 4  # the others are due again in an hour


def test_an_unreadable_file_record_does_not_stop_the_deletion_of_other_files(
    store: JobStore, locked_storage: LockedStorage
) -> None:
    files = UploadIndex(store.redis)
    for name in ("file-1", "file-2"):
        files.announce(name, 0.0)
    store.redis.set("file:file-1", "{")
    UploadSweeper(store.table, locked_storage).sweep()
    assert (files.is_registered("file-1"), files.is_registered("file-2")) == (True, False)


def test_the_files_of_an_unreadable_job_are_no_orphans(
    store: JobStore, redis: Redis, locked_storage: LockedStorage, make_request: Request, keeper_settings: KeeperSettings
) -> None:
    job = store.submit(Job(id=new_job_id(), owner="me", request=make_request("a red ball"), created_at=1.0))
    locked_storage.put_bytes(input_key(job.id, "image.png"), b"picture")
    redis.hset(f"job:{job.id}", "request", "{")
    settings = keeper_settings.model_copy(update={"orphan_grace_s": -60.0})
    OrphanSweeper(store.table, locked_storage, settings).sweep()
    assert locked_storage.stat(input_key(job.id, "image.png")).size_bytes == 7


def test_a_job_file_that_is_refused_is_kept_and_stops_no_sweep_of_orphans(
    store: JobStore, locked_storage: LockedStorage, keeper_settings: KeeperSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived, orphan = "videos/video_archived/1-a/job.json", "videos/video_orphan/1-a/video.mp4"
    for key in (archived, orphan):
        locked_storage.put_bytes(key, b"content")
    stat = locked_storage.stat

    def refuse(key: str) -> StoredObject:
        if key == archived:
            raise StorageRefused("the object is archived")
        return stat(key)

    monkeypatch.setattr(locked_storage, "stat", refuse)
    settings = keeper_settings.model_copy(update={"orphan_grace_s": -60.0})
    OrphanSweeper(store.table, locked_storage, settings).sweep()
    assert [item.key for item in locked_storage.list("videos/")] == [archived]
    assert store.redis.zrange(UNREADABLE_KEY, 0, -1) == [f"job_file {archived}".encode()]


def test_a_storage_that_refuses_everything_ends_the_sweep_of_orphans(
    store: JobStore, locked_storage: LockedStorage, keeper_settings: KeeperSettings, redis: Redis
) -> None:
    for number in range(14):
        locked_storage.put_bytes(input_key(f"video_{number:024x}", "image.png"), b"picture")
    locked_storage.locked = frozenset({"inputs/"})
    settings = keeper_settings.model_copy(update={"orphan_grace_s": -60.0})
    with pytest.raises(StorageRefused):
        OrphanSweeper(store.table, locked_storage, settings).sweep()
    assert redis.zcard(UNREADABLE_KEY) == 10


def test_a_file_whose_content_is_locked_keeps_its_record(store: JobStore, locked_storage: LockedStorage) -> None:
    files = UploadIndex(store.redis)
    files.announce("file-1", 0.0)
    store.redis.set("file:file-1", "kept")
    locked_storage.locked = frozenset({"file-1"})
    UploadSweeper(store.table, locked_storage).sweep()
    assert (store.redis.get("file:file-1"), files.is_registered("file-1")) == (b"kept", True)
    assert files.expired(store.now(), 10) == []  # it is due again in an hour
