"""The keeper deletes expired files, files of other attempts and orphans, on a real Redis."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from redis import Redis

from jobs.errors import JobNotFound, StorageUnavailable
from jobs.model.failure import failure
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
from tests.small_result import small_result
from worker.keeper.orphans import OrphanSweeper
from worker.keeper.retention import RetentionSweeper
from worker.settings import KeeperSettings

DAY_S = 86_400


@pytest.fixture
def keeper_settings(tmp_path: Path) -> KeeperSettings:
    return KeeperSettings.model_validate({"data_dir": tmp_path, "record_retention_s": 0.0})


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        return S3Storage(request.getfixturevalue("s3_settings"))
    return LocalStorage(tmp_path / "objects", public_url="", secret=b"s")


@pytest.fixture
def folder(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "objects", public_url="", secret=b"s")


@pytest.fixture
def sweeper(store: JobStore, storage: Storage, keeper_settings: KeeperSettings) -> RetentionSweeper:
    return RetentionSweeper(store.table, storage, keeper_settings)


class JobHelper:
    """Submits, runs and finishes jobs as front end and worker do."""

    def __init__(self, store: JobStore, storage: Storage, make_request: Callable[..., VideoRequest]) -> None:
        self.store, self.storage, self.make_request = store, storage, make_request

    def submit(self, retention_s: float | None) -> Job:
        job_id = new_job_id()
        self.storage.put_bytes(input_key(job_id, "image.png"), b"picture")
        request = self.make_request("a red ball", image_key=input_key(job_id, "image.png"))
        return self.store.submit(
            Job(id=job_id, owner="me", request=request, created_at=self.store.now(), retention_s=retention_s)
        )

    def attempt(self, job_id: str) -> tuple[Job, str]:
        """A worker leases the job and stores its video, but does not commit it."""
        job = self.store.lease(job_id, "w1")
        assert job
        key = result_key(job_id, job.attempt, job.token or "", "video.mp4")
        for name in (key, sibling_key(key, "manifest.json"), f"{checkpoint_prefix(job_id)}0/latents"):
            self.storage.put_bytes(name, b"1")
        return job, key

    def finish(self, job_id: str) -> Job:
        job, key = self.attempt(job_id)
        result = result_of(key)
        self.storage.put_bytes(job_file_key(key), write_job(job, result, self.store.now()))
        assert self.store.complete(job_id, job.token or "", result)
        return self.store.get(job_id)

    def keys(self, job_id: str) -> set[str]:
        """The stored keys of a job, without its id."""
        return {
            item.key.replace(job_id, "J")
            for place in ("inputs/", "videos/", "checkpoints/")
            for item in self.storage.list(f"{place}{job_id}/")
        }


def result_of(key: str) -> Result:
    return small_result(key, content_sha256="6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b")


def upload(file_id: str) -> Upload:
    return Upload(
        id=file_id, owner="me", filename="a.png", purpose="vision", kind="picture", extension="png", size_bytes=1,
        content_sha256="", width=1, height=1, created_at=time.time(), expires_at=time.time() + 7 * DAY_S,
    )  # fmt: skip


@pytest.fixture
def jobs(store: JobStore, storage: Storage, make_request: Callable[..., VideoRequest]) -> JobHelper:
    return JobHelper(store, storage, make_request)


def make_due(redis: Redis, queue: CleanupQueue) -> None:
    """Makes every entry of this queue due."""
    for job_id in redis.zrange(queue, 0, -1):
        redis.zadd(queue, {job_id: 0})


def test_expired_files_are_deleted_and_the_record_later(
    jobs: JobHelper, store: JobStore, keeper_settings: KeeperSettings
) -> None:
    job = jobs.finish(jobs.submit(0.01).id)
    assert job.expires_at == (job.completed_at or 0) + 0.01
    time.sleep(0.05)
    sweeper = RetentionSweeper(
        store.table, jobs.storage, keeper_settings.model_copy(update={"record_retention_s": DAY_S})
    )
    sweeper.sweep()
    assert jobs.keys(job.id) == set()
    assert store.get(job.id).files_gone
    RetentionSweeper(store.table, jobs.storage, keeper_settings).sweep()
    assert store.get(job.id)  # its expiry was set when its files were deleted
    make_due(store.redis, CleanupQueue.RECORDS)
    sweeper.sweep()
    with pytest.raises(JobNotFound):
        store.get(job.id)
    assert store.newest("me", 10) == []


def test_waiting_and_running_jobs_keep_their_files(jobs: JobHelper, sweeper: RetentionSweeper, redis: Redis) -> None:
    waiting = jobs.submit(0.01)
    running = jobs.submit(0.01)
    jobs.attempt(running.id)
    time.sleep(0.05)
    for queue in CleanupQueue:
        for job in (waiting, running):
            if queue is not CleanupQueue.ERASED:
                redis.zadd(queue, {job.id: 0})  # even if a queue were wrong
    sweeper.sweep()
    assert jobs.keys(waiting.id) == {"inputs/J/image.png"}
    assert len(jobs.keys(running.id)) == 4


def test_a_video_without_retention_is_kept_for_ever(jobs: JobHelper, sweeper: RetentionSweeper, redis: Redis) -> None:
    job = jobs.finish(jobs.submit(None).id)
    assert job.expires_at is None
    for queue in CleanupQueue:
        make_due(redis, queue)
    sweeper.sweep()
    assert {"inputs/J/image.png"} < jobs.keys(job.id)


def test_files_that_have_a_week_left_are_not_deleted(
    jobs: JobHelper, sweeper: RetentionSweeper, store: JobStore, redis: Redis
) -> None:
    job = jobs.finish(jobs.submit(7 * DAY_S).id)
    before = jobs.keys(job.id)
    redis.zadd(CleanupQueue.FILES, {job.id: 0})  # even if the queue were wrong
    sweeper.sweep()
    assert (jobs.keys(job.id), store.get(job.id).files_gone) == (before, False)


def test_a_record_is_planned_for_the_end_of_its_own_retention(
    jobs: JobHelper, store: JobStore, keeper_settings: KeeperSettings
) -> None:
    job = jobs.finish(jobs.submit(0.01).id)
    time.sleep(0.05)
    RetentionSweeper(
        store.table, jobs.storage, keeper_settings.model_copy(update={"record_retention_s": 7.0 * DAY_S})
    ).sweep()
    ends_at = store.redis.zscore(CleanupQueue.RECORDS, job.id)
    assert ends_at - store.now() == pytest.approx(7 * DAY_S, abs=60)


def test_a_cancelled_job_keeps_its_inputs_and_no_file_of_an_attempt(
    jobs: JobHelper, sweeper: RetentionSweeper, store: JobStore, redis: Redis
) -> None:
    job = jobs.submit(DAY_S)
    running, _ = jobs.attempt(job.id)
    assert store.fail(job.id, running.token or "", failure("cancelled"))
    make_due(redis, CleanupQueue.LEFTOVERS)
    sweeper.sweep()
    assert jobs.keys(job.id) == {"inputs/J/image.png"}


def test_a_stopped_keeper_ends_its_sweep_after_the_present_job(jobs: JobHelper, sweeper: RetentionSweeper) -> None:
    ended = [jobs.finish(jobs.submit(0.01).id) for _ in range(3)]
    time.sleep(0.05)
    stopped = Event()
    stopped.set()
    sweeper.sweep(stopped)
    assert [bool(jobs.keys(job.id)) for job in ended] == [False, True, True]


def test_files_of_other_attempts_are_deleted_after_the_end(
    jobs: JobHelper, sweeper: RetentionSweeper, store: JobStore, redis: Redis
) -> None:
    job = jobs.submit(DAY_S)
    lost, _ = jobs.attempt(job.id)
    assert store.retry(job.id, lost.token or "")
    winner = jobs.finish(job.id)
    folder = (winner.result.video_key if winner.result else "").rpartition("/")[0].replace(job.id, "J")
    assert len(jobs.keys(job.id)) == 7
    sweeper.sweep()
    assert len(jobs.keys(job.id)) == 7  # a worker may still be cleaning up
    make_due(redis, CleanupQueue.LEFTOVERS)
    sweeper.sweep()
    assert jobs.keys(job.id) == {
        "inputs/J/image.png",
        *(f"{folder}/{name}" for name in ("video.mp4", "manifest.json", "job.json")),
    }


def test_files_of_a_deleted_job_are_deleted(
    jobs: JobHelper, sweeper: RetentionSweeper, store: JobStore, redis: Redis
) -> None:
    job = jobs.submit(DAY_S)
    jobs.attempt(job.id)
    store.delete(job.id)
    sweeper.sweep()
    assert jobs.keys(job.id) != set()
    make_due(redis, CleanupQueue.ERASED)
    sweeper.sweep()
    assert jobs.keys(job.id) == set()
    assert all(redis.zcard(queue) == 0 for queue in CleanupQueue)


def test_several_keepers_may_sweep_at_once(jobs: JobHelper, store: JobStore, keeper_settings: KeeperSettings) -> None:
    kept = jobs.finish(jobs.submit(DAY_S).id)
    gone = [jobs.finish(jobs.submit(0.01).id) for _ in range(6)]
    time.sleep(0.05)
    with ThreadPoolExecutor(3) as pool:
        for swept in [
            pool.submit(RetentionSweeper(store.table, jobs.storage, keeper_settings).sweep) for _ in range(3)
        ]:
            swept.result()
    assert [jobs.keys(job.id) for job in gone] == [set()] * 6
    assert len(jobs.keys(kept.id)) == 5


def test_one_unreadable_record_does_not_stop_the_others(
    jobs: JobHelper, sweeper: RetentionSweeper, store: JobStore, redis: Redis
) -> None:
    broken, other = (jobs.finish(jobs.submit(0.01).id) for _ in range(2))
    redis.hset(f"job:{broken.id}", "request", "{}")
    time.sleep(0.05)
    sweeper.sweep()
    assert jobs.keys(other.id) == set()
    assert redis.zscore(CleanupQueue.FILES, broken.id) - store.now() == pytest.approx(3600, abs=60)  # tried again


def test_no_record_is_deleted_while_storage_is_away(
    jobs: JobHelper, store: JobStore, keeper_settings: KeeperSettings
) -> None:
    job = jobs.finish(jobs.submit(0.01).id)
    time.sleep(0.05)

    class Away(LocalStorage):
        def delete_prefix(self, prefix: str) -> None:
            raise StorageUnavailable

    with pytest.raises(StorageUnavailable):
        RetentionSweeper(
            store.table, Away(keeper_settings.data_dir / "away", public_url="", secret=b"s"), keeper_settings
        ).sweep()
    assert retention.due(store.redis, CleanupQueue.FILES, store.now(), 10) == [job.id]
    RetentionSweeper(store.table, jobs.storage, keeper_settings).sweep()
    assert jobs.keys(job.id) == set()


class TestOrphans:
    """Orphans in storage."""

    @pytest.fixture
    def jobs(self, store: JobStore, folder: LocalStorage, make_request: Callable[..., VideoRequest]) -> JobHelper:
        return JobHelper(store, folder, make_request)

    @pytest.fixture
    def orphans(self, store: JobStore, folder: LocalStorage, keeper_settings: KeeperSettings) -> OrphanSweeper:
        return OrphanSweeper(store.table, folder, keeper_settings)

    @staticmethod
    def age(storage: LocalStorage, seconds: float) -> None:
        """Dates every object back by this time."""
        for path in storage.folder.rglob("*"):
            os.utime(path, (time.time() - seconds,) * 2)

    def test_inputs_of_a_refused_request_are_deleted_after_a_while(
        self, jobs: JobHelper, orphans: OrphanSweeper
    ) -> None:
        jobs.storage.put_bytes(input_key("video_never", "image.png"), b"1")
        self.age(orphans.storage, 3600)  # type: ignore[arg-type]
        orphans.sweep()
        assert jobs.keys("video_never") == {"inputs/J/image.png"}
        self.age(orphans.storage, 2 * DAY_S)  # type: ignore[arg-type]
        orphans.sweep()
        assert jobs.keys("video_never") == set()

    def test_files_of_existing_jobs_stay(self, jobs: JobHelper, orphans: OrphanSweeper) -> None:
        waiting, running, ended = jobs.submit(DAY_S), jobs.submit(DAY_S), jobs.finish(jobs.submit(None).id)
        jobs.attempt(running.id)
        before = [jobs.keys(job.id) for job in (waiting, running, ended)]
        self.age(orphans.storage, 400 * DAY_S)  # type: ignore[arg-type]
        orphans.sweep()
        assert [jobs.keys(job.id) for job in (waiting, running, ended)] == before

    @pytest.mark.parametrize("aged_s", [3600, 2 * DAY_S])
    def test_files_of_other_attempts_of_a_recently_ended_job_stay(
        self, jobs: JobHelper, orphans: OrphanSweeper, store: JobStore, aged_s: int
    ) -> None:
        job = jobs.submit(None)
        lost, _ = jobs.attempt(job.id)
        store.retry(job.id, lost.token or "")
        jobs.finish(job.id)
        before = jobs.keys(job.id)
        self.age(orphans.storage, aged_s)  # type: ignore[arg-type]
        orphans.sweep()
        assert jobs.keys(job.id) == before

    def test_files_of_other_attempts_are_deleted_a_day_after_the_end(
        self, jobs: JobHelper, orphans: OrphanSweeper, store: JobStore, redis: Redis
    ) -> None:
        job = jobs.submit(None)
        lost, key = jobs.attempt(job.id)
        store.retry(job.id, lost.token or "")
        ended = jobs.finish(job.id)
        redis.hset(f"job:{job.id}", "completed_at", str((ended.completed_at or 0.0) - 2 * DAY_S))
        before, folder = jobs.keys(job.id), sibling_key(key, "").replace(job.id, "J")
        self.age(orphans.storage, 2 * DAY_S)  # type: ignore[arg-type]
        orphans.sweep()
        assert jobs.keys(job.id) == {name for name in before if not name.startswith(folder)}

    def test_objects_of_a_job_without_files_are_deleted(
        self, jobs: JobHelper, orphans: OrphanSweeper, store: JobStore, redis: Redis
    ) -> None:
        job = jobs.finish(jobs.submit(None).id)
        store.expire(job.id, DAY_S)
        redis.hset(f"job:{job.id}", "completed_at", str((job.completed_at or 0.0) - 2 * DAY_S))
        self.age(orphans.storage, 2 * DAY_S)  # type: ignore[arg-type]
        orphans.sweep()
        assert jobs.keys(job.id) == set()

    @pytest.mark.parametrize(("record_retention_s", "count"), [(0.0, 0), (DAY_S, 5)])
    def test_an_expired_video_of_a_lost_redis_stays_for_the_retention_of_its_record(
        self,
        jobs: JobHelper,
        folder: LocalStorage,
        store: JobStore,
        keeper_settings: KeeperSettings,
        record_retention_s: float,
        count: int,
    ) -> None:
        job = jobs.finish(jobs.submit(0.01).id)
        time.sleep(0.05)
        store.redis.flushall()
        self.age(folder, 2 * DAY_S)
        settings = keeper_settings.model_copy(update={"record_retention_s": record_retention_s})
        OrphanSweeper(store.table, folder, settings).sweep()
        assert len(jobs.keys(job.id)) == count

    def test_one_of_several_keepers_sweeps_in_each_period(
        self, jobs: JobHelper, store: JobStore, folder: LocalStorage, keeper_settings: KeeperSettings, redis: Redis
    ) -> None:
        def sweep() -> int:
            """The number of orphans that are left after another sweep of another keeper."""
            folder.put_bytes(input_key(new_job_id(), "image.png"), b"1")
            self.age(folder, 2 * DAY_S)
            OrphanSweeper(store.table, folder, keeper_settings).sweep_when_due()
            return len(list(folder.list("inputs/")))

        assert [sweep(), sweep()] == [0, 1]
        period_s = redis.pttl("sweep:orphans:turn") / 1000
        assert keeper_settings.orphan_sweep_s - 60 < period_s <= keeper_settings.orphan_sweep_s
        redis.delete("sweep:orphans:turn")
        assert sweep() == 0

    def test_a_storage_without_lifecycle_rules_is_swept(
        self, jobs: JobHelper, store: JobStore, keeper_settings: KeeperSettings, tmp_path: Path
    ) -> None:
        class WithoutRules(LocalStorage):
            def set_lifecycle(self) -> None:
                raise StorageUnavailable

        jobs.storage.put_bytes(input_key("video_never", "image.png"), b"1")
        storage = WithoutRules(tmp_path / "objects", public_url="", secret=b"s")
        self.age(storage, 2 * DAY_S)
        OrphanSweeper(store.table, storage, keeper_settings).sweep()
        assert jobs.keys("video_never") == set()

    def test_finished_videos_of_a_lost_redis_stay_until_they_expire(
        self, jobs: JobHelper, orphans: OrphanSweeper, redis: Redis, folder: LocalStorage
    ) -> None:
        kept, over = jobs.finish(jobs.submit(DAY_S).id), jobs.finish(jobs.submit(0.01).id)
        waiting = jobs.submit(DAY_S)
        damaged = jobs.finish(jobs.submit(0.01).id)
        assert damaged.result
        folder.put_bytes(job_file_key(damaged.result.video_key), b"{")
        time.sleep(0.05)
        redis.flushall()
        self.age(folder, 2 * DAY_S)
        orphans.sweep()
        assert len(jobs.keys(kept.id)) == 5
        assert len(jobs.keys(damaged.id)) == 5
        assert (jobs.keys(over.id), jobs.keys(waiting.id)) == (set(), set())

    def test_unfinished_files_are_deleted(self, orphans: OrphanSweeper, folder: LocalStorage) -> None:
        folder.put_bytes("videos/v/1-a/video.mp4", b"1")
        (folder.folder / "videos/v/1-a/.unfinished-video.mp4.1").write_bytes(b"1")
        self.age(folder, 2 * DAY_S)
        orphans.sweep()
        assert [path for path in folder.folder.rglob("*") if path.is_file()] == []

    def test_uploads_without_a_record_are_deleted(
        self, orphans: OrphanSweeper, folder: LocalStorage, redis: Redis
    ) -> None:
        files, kept, half, lost = UploadIndex(redis), new_file_id(), new_file_id(), new_file_id()
        for file_id in (kept, half, lost):
            files.announce(file_id, time.time())
            folder.put_bytes(f"uploads/{file_id}/content.png", b"1")
        files.add(upload(kept))
        redis.zrem("files:expiring", lost)  # as in a Redis that lost its last second
        orphans.sweep()
        assert len(list(folder.list("uploads/"))) == 3  # not at once
        self.age(folder, 2 * DAY_S)
        orphans.sweep()
        assert {item.key.split("/")[1] for item in folder.list("uploads/")} == {kept, half}
        redis.flushall()
        orphans.sweep()
        assert list(folder.list("uploads/")) == []

    def test_the_same_holds_in_a_bucket(
        self,
        store: JobStore,
        s3_settings: S3Settings,
        keeper_settings: KeeperSettings,
        make_request: Callable[..., VideoRequest],
    ) -> None:
        jobs = JobHelper(store, S3Storage(s3_settings), make_request)
        job = jobs.finish(jobs.submit(DAY_S).id)
        jobs.storage.put_bytes(input_key("video_never", "image.png"), b"1")
        jobs.storage.put_bytes(f"uploads/{new_file_id()}/content.png", b"1")
        before = jobs.keys(job.id)
        at_once = keeper_settings.model_copy(update={"orphan_grace_s": -3600.0})
        OrphanSweeper(store.table, jobs.storage, at_once).sweep()
        assert (jobs.keys("video_never"), jobs.keys(job.id)) == (set(), before)
        assert list(jobs.storage.list("uploads/")) == []
