"""The keeper deletes only in a storage that belongs to the installation of its Redis."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from redis import Redis
from typer.testing import CliRunner

from cli.main import app
from jobs.model.request import VideoRequest
from jobs.redis.connection import connect
from jobs.settings import S3Settings
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from jobs.storage.paths import MARK_KEY, input_key
from jobs.storage.s3 import S3Storage
from jobs.storage.uploads import UploadIndex, new_file_id, upload_prefix
from jobs.store.keeper import ownership
from jobs.store.keeper.ownership import Ownership, StorageOwnership
from jobs.store.keeper.retention import CleanupQueue
from tests.integration.worker.keeper.test_retention import JobHelper, upload
from tests.job_store import JobStore
from worker import metrics
from worker.keeper.__main__ import keeper_tasks
from worker.settings import KeeperSettings

DAY_S = 86_400


class Installation:
    """A Redis database with a keeper, and a storage."""

    def __init__(self, redis: Redis, storage: Storage, settings: KeeperSettings) -> None:
        self.redis, self.storage, self.settings = redis, storage, settings
        self.store = JobStore(redis)
        self.ownership = StorageOwnership(self.store.table, storage)

    def sweep(self) -> None:
        """Runs each task of a new keeper once; the next sweep of orphans is due."""
        self.redis.delete("sweep:orphans:turn")
        for task in keeper_tasks(self.settings, self.store.table, self.storage, Event()):
            task.sweep()

    def keys(self) -> set[str]:
        return {item.key for item in self.storage.list("")} - {MARK_KEY}

    def put_orphan(self) -> None:
        self.storage.put_bytes(input_key("video_unknown", "image.png"), b"1")
        self.storage.put_bytes(f"{upload_prefix('file-unknown')}content.png", b"1")


@pytest.fixture
def keeper_settings(tmp_path: Path) -> KeeperSettings:
    return KeeperSettings.model_validate({"data_dir": tmp_path})


@pytest.fixture
def folder(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "objects", public_url="", secret=b"s")


@pytest.fixture
def installation(redis: Redis, folder: LocalStorage, keeper_settings: KeeperSettings) -> Installation:
    return Installation(redis, folder, keeper_settings)


@pytest.fixture
def other(redis_url: str, folder: LocalStorage, keeper_settings: KeeperSettings) -> Iterator[Installation]:
    """Another Redis database with the same storage."""
    with Redis.from_url(redis_url.removesuffix("/0") + "/1") as redis:
        yield Installation(redis, folder, keeper_settings)


@pytest.fixture
def jobs(installation: Installation, make_request: Callable[..., VideoRequest]) -> JobHelper:
    return JobHelper(installation.store, installation.storage, make_request)


def age(folder: LocalStorage) -> None:
    """Dates every object two days back."""
    for path in folder.folder.rglob("*"):
        os.utime(path, (time.time() - 2 * DAY_S,) * 2)


def test_an_empty_storage_is_marked_and_then_swept(installation: Installation, folder: LocalStorage) -> None:
    installation.sweep()
    assert installation.ownership.read() is Ownership.OWN
    installation.put_orphan()
    age(folder)
    installation.sweep()
    assert installation.keys() == set()


def test_a_keeper_with_another_redis_deletes_nothing(
    installation: Installation, other: Installation, jobs: JobHelper, folder: LocalStorage
) -> None:
    installation.sweep()
    jobs.submit(DAY_S)
    sent = upload(new_file_id())
    folder.put_bytes(sent.key, b"1")
    UploadIndex(installation.redis).add(sent)
    age(folder)
    before = installation.keys()
    other.sweep()
    assert (other.ownership.read(), installation.keys()) == (Ownership.FOREIGN, before)
    assert metrics.STORAGE_OWNED.collect()[0].samples[0].value == 0
    installation.sweep()
    assert (installation.ownership.read(), installation.keys()) == (Ownership.OWN, before)
    assert metrics.STORAGE_OWNED.collect()[0].samples[0].value == 1


def test_expired_videos_stay_while_the_storage_is_not_owned(
    installation: Installation, other: Installation, jobs: JobHelper, redis: Redis
) -> None:
    other.sweep()
    job = jobs.finish(jobs.submit(0.01).id)
    redis.zadd(CleanupQueue.FILES, {job.id: 0})
    before = installation.keys()
    installation.sweep()
    assert installation.keys() == before
    assert redis.zscore(CleanupQueue.FILES, job.id) == 0
    installation.ownership.adopt()
    installation.sweep()
    assert jobs.keys(job.id) == set()


def test_an_unmarked_storage_beside_an_empty_redis_is_never_swept(
    installation: Installation, folder: LocalStorage, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.put_orphan()
    age(folder)
    for _ in range(2):
        assert not installation.ownership.confirm()
    assert "".join(capsys.readouterr()).count("storage.not_owned") == 1
    installation.sweep()
    assert (installation.ownership.read(), len(installation.keys())) == (Ownership.UNMARKED, 2)


def test_an_unmarked_storage_whose_jobs_redis_knows_is_adopted(
    installation: Installation, jobs: JobHelper, folder: LocalStorage
) -> None:
    submitted = [jobs.submit(DAY_S) for _ in range(3)]
    installation.put_orphan()
    age(folder)
    installation.sweep()
    assert installation.ownership.read() is Ownership.OWN
    assert installation.keys() == {input_key(job.id, "image.png") for job in submitted}


def test_an_unmarked_storage_with_mostly_unknown_jobs_is_not_adopted(
    installation: Installation, jobs: JobHelper, folder: LocalStorage
) -> None:
    jobs.submit(DAY_S)
    installation.put_orphan()
    age(folder)
    installation.sweep()
    assert (installation.ownership.read(), len(installation.keys())) == (Ownership.UNMARKED, 3)


def test_a_redis_that_lost_its_data_deletes_nothing_until_rebuild(
    installation: Installation,
    jobs: JobHelper,
    redis: Redis,
    folder: LocalStorage,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installation.sweep()
    finished, waiting = jobs.finish(jobs.submit(DAY_S).id), jobs.submit(DAY_S)
    redis.flushall()
    age(folder)
    installation.sweep()
    assert installation.ownership.read() is Ownership.FOREIGN
    assert jobs.keys(waiting.id) == {"inputs/J/image.png"}
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", redis_url)
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", str(folder.folder.parent))
    dry = CliRunner().invoke(app, ["rebuild", "--dry-run"])
    assert "The storage would belong to this Redis now" in dry.output
    assert installation.ownership.read() is Ownership.FOREIGN
    done = CliRunner().invoke(app, ["rebuild"])
    assert (done.exit_code, "The storage belongs to this Redis now" in done.output) == (0, True)
    age(folder)
    installation.sweep()
    assert (jobs.keys(waiting.id), jobs.keys(finished.id) != set()) == (set(), True)
    assert "belongs" not in CliRunner().invoke(app, ["rebuild"]).output
    repeated = json.loads(CliRunner().invoke(app, ["rebuild", "--json"]).stdout)
    assert (repeated["restored"], repeated["existing"], repeated["storage_was_owned"]) == ([], [finished.id], True)


def test_files_sent_after_a_backup_of_redis_stay_when_it_is_restored(
    installation: Installation, redis: Redis, folder: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.sweep()
    backup = redis.dump("installation")
    monkeypatch.setattr(ownership, "RENEWED_EVERY_S", 0.0)
    assert [installation.ownership.confirm() for _ in range(2)] == [True, True]
    installation.put_orphan()
    age(folder)
    redis.restore("installation", 0, backup, replace=True)
    installation.sweep()
    assert (installation.ownership.read(), len(installation.keys())) == (Ownership.OUTDATED, 2)
    assert installation.ownership.adopt()
    installation.sweep()
    assert installation.keys() == set()


def test_a_redis_that_lost_its_last_second_is_not_a_backup(
    installation: Installation, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.sweep()
    last = redis.dump("installation")
    monkeypatch.setattr(ownership, "RENEWED_EVERY_S", 0.0)
    assert installation.ownership.confirm()
    assert redis.dump("installation") != last
    redis.restore("installation", 0, last, replace=True)
    assert installation.ownership.read() is Ownership.OWN


def test_the_former_owner_deletes_nothing_after_a_takeover(installation: Installation, other: Installation) -> None:
    installation.sweep()
    assert other.ownership.adopt()
    assert not other.ownership.adopt()
    assert (installation.ownership.confirm(), other.ownership.confirm()) == (False, True)


@pytest.mark.parametrize("mark", [b"", b"{", b'{"id": 7}', b"\xff"])
def test_a_mark_that_cannot_be_read_protects_the_storage(
    installation: Installation, folder: LocalStorage, mark: bytes
) -> None:
    installation.sweep()
    folder.put_bytes(MARK_KEY, mark)
    assert not installation.ownership.confirm()


def test_a_mark_of_a_newer_release_is_read(installation: Installation, folder: LocalStorage) -> None:
    installation.sweep()
    stored = b"".join(folder.read(MARK_KEY, 0, 1000))
    folder.put_bytes(MARK_KEY, stored[:-1] + b', "region": "north"}')
    assert installation.ownership.confirm()


@pytest.mark.parametrize("kind", ["s3", "moto"])
def test_two_installations_share_a_bucket_by_prefix(
    kind: str, request: pytest.FixtureRequest, redis: Redis, redis_url: str, keeper_settings: KeeperSettings
) -> None:
    bucket: S3Settings = request.getfixturevalue(f"{kind}_settings")
    at_once = keeper_settings.model_copy(update={"orphan_grace_s": -60.0})  # objects in S3 cannot be dated back
    with (
        connect(redis_url, retries=0, prefix="team:one:") as first,
        connect(redis_url, retries=0, prefix="team:two:") as second,
    ):
        one, two = (
            Installation(client, S3Storage(bucket.model_copy(update={"prefix": prefix})), at_once)
            for client, prefix in ((first, "team/one/"), (second, "team/two/"))
        )
        one.sweep()
        two.sweep()
        one.put_orphan()
        two.put_orphan()
        two.sweep()
        assert (len(one.keys()), two.keys()) == (2, set())
        one.sweep()
        assert one.keys() == set()
        assert [side.ownership.read() for side in (one, two)] == [Ownership.OWN] * 2
