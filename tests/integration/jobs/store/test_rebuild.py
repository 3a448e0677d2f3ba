"""After a total loss of Redis, storage is enough to restore the records of finished videos."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from jobs.errors import StorageRefused
from jobs.model.job import Job, Result
from jobs.model.job_file import job_file_key, write_job
from jobs.storage.interface import Storage, StoredObject
from jobs.storage.local import LocalStorage
from jobs.storage.paths import input_key, result_key
from jobs.storage.s3 import S3Storage
from jobs.store.keeper import retention
from jobs.store.keeper.rebuild import rebuild_records
from jobs.store.keeper.retention import CleanupQueue
from tests.job_store import JobStore

MakeJob = Callable[..., Job]
VIDEO = b"four"


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        storage: Storage = S3Storage(request.getfixturevalue("s3_settings"))
        for place in ("inputs/", "videos/"):
            storage.delete_prefix(place)
        return storage
    return LocalStorage(tmp_path / "objects", public_url="", secret=b"s")


@pytest.fixture
def finish(store: JobStore, storage: Storage, make_job: MakeJob) -> Callable[..., Job]:
    """Creates a finished job with its video and job file in storage."""

    def finish(owner: str = "me", retention_s: float | None = 86_400, *, commit: bool = True, attempts: int = 1) -> Job:
        webhook = {"url": "https://hooks.example/", "secret": "whsec_c2VjcmV0"}
        job = make_job(owner, store.now(), webhook=webhook).evolve(retention_s=retention_s)
        storage.put_bytes(input_key(job.id, "image.png"), b"1")
        store.submit(job)
        for attempt in range(attempts):
            leased = store.lease(job.id, "w1")
            assert leased
            key = result_key(job.id, leased.attempt, leased.token or "", "video.mp4")
            storage.put_bytes(key, VIDEO)
            result = Result(
                video_key=key,
                content_type="video/mp4",
                size_bytes=len(VIDEO),
                content_sha256=hashlib.sha256(VIDEO).hexdigest(),
                inference_time_s=1,
                peak_memory_mb=1,
                phase_seconds={"denoising": 1.0},
                warnings=("the prompt was cut",),
            )
            storage.put_bytes(job_file_key(key), write_job(leased, result, store.now()))
            if attempt < attempts - 1:
                store.retry(job.id, leased.token or "")
            elif commit:
                assert store.complete(job.id, leased.token or "", result)
        return store.get(job.id)

    return finish


def comparable(job: Job) -> Job:
    """Without what is only result approximately, or left out on purpose."""
    request = job.request.model_copy(update={"webhook": None})
    return job.evolve(request=request, version=0, phase=None, step=0, total_steps=0, completed_at=None, expires_at=None)


def test_finished_videos_are_restored_for_their_owners(
    store: JobStore, storage: Storage, finish: Callable[..., Job], redis: Redis
) -> None:
    jobs = [finish("me"), finish("me"), finish("you", None)]
    redis.flushall()
    result = rebuild_records(store.table, storage, {})
    assert {job.id for job in result.restored} == {job.id for job in jobs}
    for job in jobs:
        back = store.get_owned(job.id, job.owner)
        assert comparable(back) == comparable(job)
        assert back.completed_at == pytest.approx(job.completed_at, abs=60)
        assert (back.expires_at is None) == (job.expires_at is None)
        assert back.result
        assert b"".join(storage.read(back.result.video_key, 0, 10)) == VIDEO
    assert {job.id for job in store.newest("me", 10)} == {job.id for job in jobs[:2]}
    assert set(retention.due(redis, CleanupQueue.FILES, store.now() + 90_000, 10)) == {job.id for job in jobs[:2]}
    assert store.queue_depth(jobs[0].request.model) == 0


def test_a_second_rebuild_changes_nothing(store: JobStore, storage: Storage, finish: Callable[..., Job]) -> None:
    job = finish()
    result = rebuild_records(store.table, storage, {})
    assert (result.restored, result.existing) == ([], [job.id])
    assert store.get(job.id) == job


def test_a_dry_run_writes_nothing(store: JobStore, storage: Storage, finish: Callable[..., Job], redis: Redis) -> None:
    finish()
    redis.flushall()
    assert len(rebuild_records(store.table, storage, {}, dry_run=True).restored) == 1
    assert redis.keys("*") == []


def test_videos_can_be_restored_for_another_owner(
    store: JobStore, storage: Storage, finish: Callable[..., Job], redis: Redis
) -> None:
    job = finish("key:old")
    redis.flushall()
    rebuild_records(store.table, storage, {"key:old": "key:new"})
    assert store.get_owned(job.id, "key:new").id == job.id


def test_jobs_that_cannot_be_restored_are_listed_with_the_reason(
    store: JobStore, storage: Storage, finish: Callable[..., Job], redis: Redis, make_job: MakeJob
) -> None:
    expired, cut, damaged = finish(retention_s=0.001), finish(), finish()
    waiting = store.submit(make_job())
    storage.put_bytes(input_key(waiting.id, "image.png"), b"1")
    assert cut.result
    assert damaged.result
    storage.put_bytes(cut.result.video_key, VIDEO[:2])
    storage.put_bytes(job_file_key(damaged.result.video_key), b'{"id": 1}')
    redis.flushall()
    result = rebuild_records(store.table, storage, {})
    assert result.restored == []
    assert result.expired == [expired.id]
    assert result.unfinished == [waiting.id]
    assert "2 bytes of 4" in result.unreadable[cut.id]
    assert "another version or damaged" in result.unreadable[damaged.id]


def test_the_latest_attempt_with_a_complete_video_is_restored(
    store: JobStore, storage: Storage, finish: Callable[..., Job], redis: Redis
) -> None:
    job = finish(attempts=2)
    redis.flushall()
    rebuild_records(store.table, storage, {})
    assert store.get(job.id).result == job.result


def test_a_deleted_video_is_not_restored(store: JobStore, storage: Storage, finish: Callable[..., Job]) -> None:
    job = finish()
    store.delete(job.id)
    assert rebuild_records(store.table, storage, {}).restored == []


def test_no_webhook_secret_is_in_storage(storage: Storage, finish: Callable[..., Job]) -> None:
    job = finish()
    assert job.result
    assert b"whsec_" not in b"".join(storage.read(job_file_key(job.result.video_key), 0, 100_000))


def test_a_job_file_that_the_storage_refuses_stops_no_rebuild(
    store: JobStore, storage: Storage, finish: Callable[..., Job], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived, archived_video, good = finish(), finish(), finish()
    assert archived.result
    assert archived_video.result
    refused = {job_file_key(archived.result.video_key), archived_video.result.video_key}
    stat = storage.stat

    def refuse(key: str) -> StoredObject:
        if key in refused:
            raise StorageRefused("the object store refused with InvalidObjectState")
        return stat(key)

    monkeypatch.setattr(storage, "stat", refuse)
    redis.flushall()
    result = rebuild_records(store.table, storage, {})
    assert [job.id for job in result.restored] == [good.id]
    assert result.unreadable.keys() == {archived.id, archived_video.id}
    assert all("InvalidObjectState" in reason for reason in result.unreadable.values())
