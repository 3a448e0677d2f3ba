"""The index of uploads: only the owner sees a file, until it expires, and an unfinished upload is swept."""

import pytest
from redis import Redis

from jobs.errors import FileNotFound
from jobs.storage.uploads import EXPIRING, Upload, UploadIndex

NOW = 1_000_000.0


def upload(file_id: str = "file-1", **changes: object) -> Upload:
    values = {
        "id": file_id,
        "owner": "me",
        "filename": "a.png",
        "purpose": "vision",
        "kind": "picture",
        "extension": "png",
        "size_bytes": 1,
        "content_sha256": "",
        "width": 1,
        "height": 1,
        "created_at": NOW,
        "expires_at": NOW + 60,
    }
    return Upload.model_validate(values | changes)


@pytest.fixture
def files(redis: Redis) -> UploadIndex:
    return UploadIndex(redis)


def test_an_upload_that_is_not_finished_is_swept_after_an_hour(files: UploadIndex) -> None:
    files.announce("file-1", NOW)
    assert (files.is_registered("file-1"), files.count("me")) == (True, 0)
    assert (files.expired(NOW + 3599, 10), files.expired(NOW + 3600, 10)) == ([], ["file-1"])


def test_a_file_is_that_of_its_owner_until_it_expires(files: UploadIndex) -> None:
    files.announce("file-1", NOW)
    files.add(upload())
    assert files.get_owned("file-1", "me", NOW + 59.9) == upload()
    for owner, now in (("other", NOW), ("me", NOW + 60)):
        with pytest.raises(FileNotFound):
            files.get_owned("file-1", owner, now)
    assert files.expired(NOW + 60, 10) == ["file-1"]


def test_the_list_has_the_files_that_have_not_expired_in_both_orders(files: UploadIndex) -> None:
    for number in (1, 2, 3):
        files.add(upload(f"file-{number}", created_at=NOW + number, expires_at=NOW + 60 * number))
    for is_newest_first, names in ((True, ["file-3", "file-2"]), (False, ["file-2", "file-3"])):
        assert [file.id for file in files.listed("me", NOW + 60, newest_first=is_newest_first)] == names
    assert files.listed("other", NOW, newest_first=True) == []


def test_a_deleted_file_leaves_nothing_and_a_file_that_cannot_be_deleted_is_due_later(
    files: UploadIndex, redis: Redis
) -> None:
    for name in ("file-1", "file-2"):
        files.add(upload(name))
    files.delete("file-1")
    assert (files.is_registered("file-1"), files.count("me"), redis.exists("file:file-1")) == (False, 1, 0)
    for name in ("file-1", "file-2"):
        files.postpone(name, NOW + 3600)
    assert redis.zrange(EXPIRING, 0, -1, withscores=True) == [(b"file-2", NOW + 3600)]
