"""The keeper deletes stored windows that are too old, too many, or of a video that is gone."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs.errors import StorageRefused
from jobs.model.job import Job, new_job_id
from jobs.model.request import VideoRequest
from jobs.redis.keys import UNREADABLE_KEY, WINDOW_OWNERS_KEY, windows_key
from jobs.storage.local import LocalStorage
from jobs.storage.paths import attempts_prefix, window_file_keys
from jobs.storage.windows import StoredWindow, WindowIndex
from jobs.store.keeper.retention import CleanupQueue
from tests.job_store import JobStore
from worker.keeper.orphans import OrphanSweeper
from worker.keeper.retention import RetentionSweeper
from worker.keeper.windows import WindowSweeper
from worker.settings import KeeperSettings

DAY_S = 86_400
Keep = Callable[..., str]


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "objects", public_url="", secret=b"s")


@pytest.fixture
def keeper_settings(tmp_path: Path) -> KeeperSettings:
    values = {"data_dir": tmp_path, "window_retention_s": DAY_S, "window_quota_bytes": 100}
    return KeeperSettings.model_validate(values)


@pytest.fixture
def sweeper(store: JobStore, storage: LocalStorage, keeper_settings: KeeperSettings) -> WindowSweeper:
    return WindowSweeper(store.table, storage, keeper_settings)


@pytest.fixture
def video(store: JobStore, make_request: Callable[..., VideoRequest]) -> Callable[..., str]:
    """Submits a job; returns its id."""

    def video(owner: str = "me") -> str:
        job = Job(
            id=new_job_id(), owner=owner, request=make_request("a film"), created_at=store.now(), retention_s=60.0
        )
        return store.submit(job).id

    return video


@pytest.fixture
def keep(store: JobStore, storage: LocalStorage, redis: Redis) -> Keep:
    """Stores a window of a job; returns its name."""

    def keep(job_id: str, digit: str, size: int = 10, age_s: float = 0.0, owner: str = "me") -> str:
        name = digit * 64
        for key in window_file_keys(job_id, name):
            storage.put_bytes(key, b"1")
        WindowIndex(redis).add(owner, StoredWindow(name, job_id, size), store.now() - age_s)
        return name

    return keep


def digits(storage: LocalStorage, job_id: str) -> str:
    """The first digits of the names of the stored windows of a job."""
    return "".join(sorted({item.key.rpartition("/")[2][0] for item in storage.list(attempts_prefix(job_id))}))


def test_windows_are_deleted_after_their_retention(
    sweeper: WindowSweeper, keep: Keep, video: Any, storage: LocalStorage, redis: Redis
) -> None:
    job_id = video()
    keep(job_id, "a", age_s=DAY_S + 60)
    keep(job_id, "b", age_s=DAY_S - 60)
    sweeper.sweep()
    assert digits(storage, job_id) == "b"
    assert [window.name[0] for window in WindowIndex(redis).of("me")] == ["b"]
    assert WindowIndex(redis).holders("a" * 64) == []


def test_the_oldest_windows_above_the_quota_are_deleted(
    sweeper: WindowSweeper, keep: Keep, video: Any, storage: LocalStorage
) -> None:
    first, second, other = video(), video(), video("another")
    for age, digit in enumerate("abcd"):
        keep(first if digit < "c" else second, digit, size=40, age_s=100.0 * age)
    keep(other, "e", size=100, age_s=1000.0, owner="another")
    sweeper.sweep()
    assert [digits(storage, job_id) for job_id in (first, second, other)] == ["ab", "", "e"]


def test_windows_of_deleted_videos_are_deleted(
    sweeper: WindowSweeper, keep: Keep, video: Any, storage: LocalStorage, store: JobStore, redis: Redis
) -> None:
    first, second = video(), video()
    keep(first, "a")
    keep(second, "a")
    store.delete(first)
    sweeper.sweep()
    assert (digits(storage, first), digits(storage, second)) == ("", "a")
    assert WindowIndex(redis).holders("a" * 64) == [second]
    store.delete(second)
    sweeper.sweep()
    assert list(redis.scan_iter("windows:*")) == []


def test_windows_expire_with_their_video(
    keep: Keep, video: Any, storage: LocalStorage, store: JobStore, keeper_settings: KeeperSettings, redis: Redis
) -> None:
    job_id = video()
    keep(job_id, "a")
    store.cancel(job_id)
    sweeper = RetentionSweeper(store.table, storage, keeper_settings)
    redis.zadd(CleanupQueue.LEFTOVERS, {job_id: 1})
    sweeper.sweep()
    assert digits(storage, job_id) == "a"
    redis.hset(f"job:{job_id}", "expires_at", repr(store.now() - 1))
    redis.zadd(CleanupQueue.FILES, {job_id: 1})
    sweeper.sweep()
    assert digits(storage, job_id) == ""


def test_old_windows_without_an_entry_are_orphans(
    keep: Keep, video: Any, storage: LocalStorage, store: JobStore, keeper_settings: KeeperSettings, redis: Redis
) -> None:
    job_id = video()
    keep(job_id, "a")
    keep(job_id, "b")
    redis.delete(WINDOW_OWNERS_KEY, windows_key("me"))
    old = time.time() - 2 * DAY_S
    for key in window_file_keys(job_id, "a" * 64):
        os.utime(storage.folder / key, (old, old))
    OrphanSweeper(store.table, storage, keeper_settings).sweep()
    assert digits(storage, job_id) == "b"


def test_one_window_that_cannot_be_deleted_does_not_stop_the_others(
    sweeper: WindowSweeper, keep: Keep, video: Any, storage: LocalStorage, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = video()
    for digit in "abc":
        keep(job_id, digit, age_s=2 * DAY_S)
    delete = storage.delete

    def refuse(key: str) -> None:
        if "b" * 64 in key:
            raise StorageRefused("it is locked")
        delete(key)

    monkeypatch.setattr(storage, "delete", refuse)
    sweeper.sweep()
    assert digits(storage, job_id) == "b"
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [f"window {job_id}/{'b' * 64}".encode()]
    assert [window.name[0] for window in WindowIndex(redis).of("me")] == ["b"]


def test_a_storage_that_refuses_everything_ends_the_sweep(
    sweeper: WindowSweeper, keep: Keep, video: Any, storage: LocalStorage, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, asked = video(), list[str]()
    for digit in "0123456789abcd":
        keep(job_id, digit, age_s=2 * DAY_S)

    def refuse(key: str) -> None:
        asked.append(key)
        raise StorageRefused("it is locked")

    monkeypatch.setattr(storage, "delete", refuse)
    with pytest.raises(StorageRefused):
        sweeper.sweep()
    assert (len(asked), len(WindowIndex(redis).of("me"))) == (11, 14)


def test_entries_that_cannot_be_read_are_left_out(sweeper: WindowSweeper, keep: Keep, video: Any, redis: Redis) -> None:
    keep(video(), "a")
    redis.zadd(windows_key("me"), {"of a newer release": 1, b"\xff": 2})
    sweeper.sweep()
    assert [window.name[0] for window in WindowIndex(redis).of("me")] == ["a"]


def test_windows_of_another_type_stop_no_sweep_of_other_callers(
    sweeper: WindowSweeper, storage: LocalStorage, redis: Redis, video: Callable[..., str], keep: Keep
) -> None:
    redis.sadd(WINDOW_OWNERS_KEY, "a-caller")
    redis.set(windows_key("a-caller"), "text")
    job_id = video()
    keep(job_id, "a", age_s=2 * DAY_S)
    sweeper.sweep()
    assert digits(storage, job_id) == ""
    assert redis.zrange(UNREADABLE_KEY, 0, -1) == [b"windows a-caller"]
