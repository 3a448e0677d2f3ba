"""What is deleted when, on a real Redis: files past their time, what other attempts left, what belongs to nobody."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from jobs.errors import JobNotFound, StorageUnavailable
from jobs.model.job import Job, Result, new_job_id
from jobs.model.job_file import job_file_key, write_job
from jobs.model.request import VideoRequest
from jobs.model.result_files import sibling_key
from jobs.settings import S3Settings
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from jobs.storage.paths import checkpoint_prefix, input_key, result_key
from jobs.storage.s3 import S3Storage
from jobs.storage.uploads import Upload, UploadIndex, new_file_id
from jobs.store.keeper import retention
from jobs.store.keeper.retention import CleanupQueue
from tests.job_store import JobStore
from worker.keeper.orphans import OrphanSweeper
from worker.keeper.retention import RetentionSweeper
from worker.settings import KeeperSettings

DAY_S = 86_400


@pytest.fixture
def keeping(tmp_path: Path) -> KeeperSettings:
    return KeeperSettings.model_validate({"data_dir": tmp_path, "record_retention_s": 0.0})


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        return S3Storage(request.getfixturevalue("s3_settings"))
    return LocalStorage(tmp_path / "objects", public_url="", secret=b"s")


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "objects", public_url="", secret=b"s")


@pytest.fixture
def janitor(store: JobStore, storage: Storage, keeping: KeeperSettings) -> RetentionSweeper:
    return RetentionSweeper(store.table, storage, keeping)


class Hand:
    """Does to jobs what front end and worker do."""

    def __init__(self, store: JobStore, storage: Storage, asked: Callable[..., VideoRequest]) -> None:
        self.store, self.storage, self.asked = store, storage, asked

    def submit(self, retention_s: float | None) -> Job:
        job_id = new_job_id()
        self.storage.put_bytes(input_key(job_id, "image.png"), b"picture")
        request = self.asked("a red ball", image_key=input_key(job_id, "image.png"))
        return self.store.submit(
            Job(id=job_id, owner="me", request=request, created_at=self.store.now(), retention_s=retention_s)
        )

    def attempt(self, job_id: str) -> tuple[Job, str]:
        """A worker takes the job and stores its video, but does not commit it."""
        job = self.store.lease(job_id, "w1")
        assert job
        key = result_key(job_id, job.attempt, job.token or "", "video.mp4")
        for name in (key, sibling_key(key, "manifest.json"), f"{checkpoint_prefix(job_id)}0/latents"):
            self.storage.put_bytes(name, b"1")
        return job, key

    def finish(self, job_id: str) -> Job:
        job, key = self.attempt(job_id)
        result = made(key)
        self.storage.put_bytes(job_file_key(key), write_job(job, result, self.store.now()))
        assert self.store.complete(job_id, job.token or "", result)
        return self.store.get(job_id)

    def keys(self, job_id: str) -> set[str]:
        """What lies there of a job, without its id."""
        return {
            found.key.replace(job_id, "J")
            for place in ("inputs/", "videos/", "checkpoints/")
            for found in self.storage.list(f"{place}{job_id}/")
        }


def made(key: str) -> Result:
    return Result(
        video_key=key,
        content_type="video/mp4",
        size_bytes=1,
        content_sha256="6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
        inference_time_s=1.0,
        peak_memory_mb=1.0,
        phase_seconds={},
    )


def sent_ahead(file_id: str) -> Upload:
    return Upload(
        id=file_id, owner="me", filename="a.png", purpose="vision", kind="picture", extension="png", size_bytes=1,
        content_sha256="", width=1, height=1, created_at=time.time(), expires_at=time.time() + 7 * DAY_S,
    )  # fmt: skip


@pytest.fixture
def hand(store: JobStore, storage: Storage, asked: Callable[..., VideoRequest]) -> Hand:
    return Hand(store, storage, asked)


def make_due(redis: Redis, todo: CleanupQueue) -> None:
    """As if the time of everything on this list had come."""
    for job_id in redis.zrange(todo, 0, -1):
        redis.zadd(todo, {job_id: 0})


def test_files_go_at_their_time_and_the_record_tells_of_it_until_it_goes_too(
    hand: Hand, store: JobStore, keeping: KeeperSettings
) -> None:
    job = hand.finish(hand.submit(0.01).id)
    assert job.expires_at == pytest.approx((job.completed_at or 0) + 0.01)
    time.sleep(0.05)
    janitor = RetentionSweeper(store.table, hand.storage, keeping.model_copy(update={"record_retention_s": DAY_S}))
    janitor.sweep()
    assert hand.keys(job.id) == set()
    assert store.get(job.id).files_gone
    RetentionSweeper(store.table, hand.storage, keeping).sweep()
    assert store.get(job.id)  # its time was planned when its files went
    make_due(store.redis, CleanupQueue.RECORDS)
    janitor.sweep()
    with pytest.raises(JobNotFound):
        store.get(job.id)
    assert store.newest("me", 10) == []


def test_what_waits_or_runs_keeps_everything_however_old(hand: Hand, janitor: RetentionSweeper, redis: Redis) -> None:
    waiting = hand.submit(0.01)
    running = hand.submit(0.01)
    hand.attempt(running.id)
    time.sleep(0.05)
    for todo in CleanupQueue:
        for job in (waiting, running):
            if todo is not CleanupQueue.ERASED:
                redis.zadd(todo, {job.id: 0})  # even if a list were wrong
    janitor.sweep()
    assert hand.keys(waiting.id) == {"inputs/J/image.png"}
    assert len(hand.keys(running.id)) == 4


def test_a_video_is_kept_for_ever_if_that_is_wanted(hand: Hand, janitor: RetentionSweeper, redis: Redis) -> None:
    job = hand.finish(hand.submit(None).id)
    assert job.expires_at is None
    for todo in CleanupQueue:
        make_due(redis, todo)
    janitor.sweep()
    assert {"inputs/J/image.png"} < hand.keys(job.id)


def test_what_other_attempts_left_goes_when_the_job_has_ended(
    hand: Hand, janitor: RetentionSweeper, store: JobStore, redis: Redis
) -> None:
    job = hand.submit(DAY_S)
    lost, _ = hand.attempt(job.id)
    assert store.retry(job.id, lost.token or "")
    winner = hand.finish(job.id)
    folder = (winner.result.video_key if winner.result else "").rpartition("/")[0].replace(job.id, "J")
    assert len(hand.keys(job.id)) == 7
    janitor.sweep()
    assert len(hand.keys(job.id)) == 7  # a worker may still be tidying up itself
    make_due(redis, CleanupQueue.LEFTOVERS)
    janitor.sweep()
    assert hand.keys(job.id) == {
        "inputs/J/image.png",
        *(f"{folder}/{name}" for name in ("video.mp4", "manifest.json", "job.json")),
    }


def test_what_a_deleted_job_still_stores_goes(
    hand: Hand, janitor: RetentionSweeper, store: JobStore, redis: Redis
) -> None:
    job = hand.submit(DAY_S)
    hand.attempt(job.id)
    store.delete(job.id)
    janitor.sweep()
    assert hand.keys(job.id) != set()
    make_due(redis, CleanupQueue.ERASED)
    janitor.sweep()
    assert hand.keys(job.id) == set()
    assert all(redis.zcard(todo) == 0 for todo in CleanupQueue)


def test_several_keepers_at_once_do_no_harm(hand: Hand, store: JobStore, keeping: KeeperSettings) -> None:
    kept = hand.finish(hand.submit(DAY_S).id)
    gone = [hand.finish(hand.submit(0.01).id) for _ in range(6)]
    time.sleep(0.05)
    with ThreadPoolExecutor(3) as pool:
        for swept in [pool.submit(RetentionSweeper(store.table, hand.storage, keeping).sweep) for _ in range(3)]:
            swept.result()
    assert [hand.keys(job.id) for job in gone] == [set()] * 6
    assert len(hand.keys(kept.id)) == 5


def test_one_broken_record_does_not_stand_in_the_way(
    hand: Hand, janitor: RetentionSweeper, store: JobStore, redis: Redis
) -> None:
    broken, other = (hand.finish(hand.submit(0.01).id) for _ in range(2))
    redis.hset(f"job:{broken.id}", "request", "{}")
    time.sleep(0.05)
    janitor.sweep()
    assert hand.keys(other.id) == set()
    assert retention.due(redis, CleanupQueue.FILES, store.now() + DAY_S, 10) == [broken.id]


def test_while_storage_is_away_nothing_is_forgotten(hand: Hand, store: JobStore, keeping: KeeperSettings) -> None:
    job = hand.finish(hand.submit(0.01).id)
    time.sleep(0.05)

    class Away(LocalStorage):
        def delete_prefix(self, prefix: str) -> None:
            raise StorageUnavailable

    with pytest.raises(StorageUnavailable):
        RetentionSweeper(store.table, Away(keeping.data_dir / "away", public_url="", secret=b"s"), keeping).sweep()
    assert retention.due(store.redis, CleanupQueue.FILES, store.now(), 10) == [job.id]
    RetentionSweeper(store.table, hand.storage, keeping).sweep()
    assert hand.keys(job.id) == set()


class TestOrphans:
    """What the look over the whole store finds."""

    @pytest.fixture
    def hand(self, store: JobStore, local: LocalStorage, asked: Callable[..., VideoRequest]) -> Hand:
        return Hand(store, local, asked)

    @pytest.fixture
    def orphans(self, store: JobStore, local: LocalStorage, keeping: KeeperSettings) -> OrphanSweeper:
        return OrphanSweeper(store.table, local, keeping)

    @staticmethod
    def age(storage: LocalStorage, seconds: float) -> None:
        """As if everything there had been stored so long ago."""
        for path in storage.folder.rglob("*"):
            os.utime(path, (time.time() - seconds,) * 2)

    def test_inputs_of_a_request_that_was_never_accepted_go_but_not_at_once(
        self, hand: Hand, orphans: OrphanSweeper
    ) -> None:
        hand.storage.put_bytes(input_key("video_never", "image.png"), b"1")
        self.age(orphans.storage, 3600)  # type: ignore[arg-type]
        orphans.sweep()
        assert hand.keys("video_never") == {"inputs/J/image.png"}
        self.age(orphans.storage, 2 * DAY_S)  # type: ignore[arg-type]
        orphans.sweep()
        assert hand.keys("video_never") == set()

    def test_what_any_job_needs_stays_however_old(self, hand: Hand, orphans: OrphanSweeper) -> None:
        waiting, running, ended = hand.submit(DAY_S), hand.submit(DAY_S), hand.finish(hand.submit(None).id)
        hand.attempt(running.id)
        before = [hand.keys(job.id) for job in (waiting, running, ended)]
        self.age(orphans.storage, 400 * DAY_S)  # type: ignore[arg-type]
        orphans.sweep()
        assert [hand.keys(job.id) for job in (waiting, running, ended)] == before

    def test_finished_videos_of_a_redis_that_lost_everything_stay_until_they_would_expire(
        self, hand: Hand, orphans: OrphanSweeper, redis: Redis, local: LocalStorage
    ) -> None:
        kept, over = hand.finish(hand.submit(DAY_S).id), hand.finish(hand.submit(0.01).id)
        waiting = hand.submit(DAY_S)
        damaged = hand.finish(hand.submit(0.01).id)
        assert damaged.result
        local.put_bytes(job_file_key(damaged.result.video_key), b"{")
        time.sleep(0.05)
        redis.flushall()
        self.age(local, 2 * DAY_S)
        orphans.sweep()
        assert len(hand.keys(kept.id)) == 5
        assert len(hand.keys(damaged.id)) == 5
        assert (hand.keys(over.id), hand.keys(waiting.id)) == (set(), set())

    def test_the_end_of_a_file_that_was_never_written_to_its_end_comes(
        self, orphans: OrphanSweeper, local: LocalStorage
    ) -> None:
        local.put_bytes("videos/v/1-a/video.mp4", b"1")
        (local.folder / "videos/v/1-a/.unfinished-video.mp4.1").write_bytes(b"1")
        self.age(local, 2 * DAY_S)
        orphans.sweep()
        assert [path for path in local.folder.rglob("*") if path.is_file()] == []

    def test_files_sent_ahead_go_when_nobody_can_name_them_any_more(
        self, orphans: OrphanSweeper, local: LocalStorage, redis: Redis
    ) -> None:
        files, kept, half, lost = UploadIndex(redis), new_file_id(), new_file_id(), new_file_id()
        for file_id in (kept, half, lost):
            files.announce(file_id, time.time())
            local.put_bytes(f"uploads/{file_id}/content.png", b"1")
        files.add(sent_ahead(kept))
        redis.zrem("files:expiring", lost)  # as a Redis does that lost its last second
        orphans.sweep()
        assert len(list(local.list("uploads/"))) == 3  # not at once
        self.age(local, 2 * DAY_S)
        orphans.sweep()
        assert {found.key.split("/")[1] for found in local.list("uploads/")} == {kept, half}
        redis.flushall()
        orphans.sweep()
        assert list(local.list("uploads/")) == []

    def test_the_same_holds_in_a_bucket(
        self, store: JobStore, s3_settings: S3Settings, keeping: KeeperSettings, asked: Callable[..., VideoRequest]
    ) -> None:
        hand = Hand(store, S3Storage(s3_settings), asked)
        job = hand.finish(hand.submit(DAY_S).id)
        hand.storage.put_bytes(input_key("video_never", "image.png"), b"1")
        hand.storage.put_bytes(f"uploads/{new_file_id()}/content.png", b"1")
        before = hand.keys(job.id)
        at_once = keeping.model_copy(update={"orphan_grace_s": -3600.0})
        OrphanSweeper(store.table, hand.storage, at_once).sweep()
        assert (hand.keys("video_never"), hand.keys(job.id)) == (set(), before)
        assert list(hand.storage.list("uploads/")) == []
