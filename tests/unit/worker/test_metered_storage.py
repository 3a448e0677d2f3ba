"""A metered storage does what the storage does, and counts its operations, failures and bytes."""

from pathlib import Path

import pytest

from jobs.errors import StorageUnavailable
from jobs.storage.interface import Storage, read_all
from jobs.storage.local import LocalStorage
from worker.metered_storage import MeteredStorage
from worker.metrics import WORKER


def value(name: str, **labels: str) -> float:
    return WORKER.get_sample_value(f"easyanimate_storage_{name}", labels) or 0.0


@pytest.fixture
def plain(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "objects", public_url="http://front.example/", secret=b"secret")


def test_bytes_are_counted_by_direction_and_folder(plain: LocalStorage, tmp_path: Path) -> None:
    storage: Storage = MeteredStorage(plain)
    places = [("upload", "videos"), ("upload", "checkpoints"), ("upload", "other"), ("download", "videos")]
    before = {place: value("bytes_total", direction=place[0], folder=place[1]) for place in places}
    (tmp_path / "video.mp4").write_bytes(b"v" * 1000)
    storage.put_file("videos/a/1-b/video.mp4", tmp_path / "video.mp4")
    storage.put_bytes("checkpoints/a/0/checkpoint.json", b"{}")
    storage.put_bytes("installation.json", b"{}!")
    assert read_all(storage, "videos/a/1-b/video.mp4") == b"v" * 1000
    after = {place: value("bytes_total", direction=place[0], folder=place[1]) - before[place] for place in places}
    assert after == dict(zip(places, (1000, 2, 3, 1000), strict=True))


def test_each_operation_has_the_result_of_the_storage_itself(plain: LocalStorage) -> None:
    storage = MeteredStorage(plain)
    storage.put_bytes("inputs/a/image.png", b"png")
    storage.copy("inputs/a/image.png", "inputs/b/image.png")
    assert storage.stat("inputs/b/image.png") == plain.stat("inputs/b/image.png")
    assert {each.key for each in storage.list("inputs/")} == {"inputs/a/image.png", "inputs/b/image.png"}
    assert storage.url("inputs/a/image.png", 60, "a.png").partition("?")[0].startswith("http://front.example/")
    assert (storage.free_bytes() or 0) > 0
    assert (storage.set_lifecycle(), storage.drop_unfinished(0.0)) == (
        plain.set_lifecycle(),
        plain.drop_unfinished(0.0),
    )
    storage.check()
    storage.delete("inputs/a/image.png")
    storage.delete_prefix("inputs/b/")
    assert list(plain.list("")) == []


def test_a_failure_is_counted_and_a_missing_object_is_none(plain: LocalStorage, tmp_path: Path) -> None:
    storage = MeteredStorage(plain)
    before = value("failures_total", operation="stat"), value("seconds_count", operation="stat")
    with pytest.raises(KeyError):
        storage.stat("videos/none.mp4")
    assert value("failures_total", operation="stat") == before[0]
    assert value("seconds_count", operation="stat") == before[1] + 1
    (tmp_path / "objects").write_text("no folder")
    failures = value("failures_total", operation="put")
    with pytest.raises(StorageUnavailable):
        storage.put_bytes("videos/a.mp4", b"v")
    assert value("failures_total", operation="put") == failures + 1
