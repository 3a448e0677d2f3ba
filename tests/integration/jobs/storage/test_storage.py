"""One suite for every kind of storage: objects are read back unchanged, links work, errors have one type."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from jobs.errors import StorageFull, StorageRefused, StorageUnavailable
from jobs.settings import S3Settings, Settings
from jobs.storage.content_disposition import attachment
from jobs.storage.factory import open_storage
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from jobs.storage.paths import input_key, job_prefixes, result_key
from jobs.storage.s3 import S3Storage
from jobs.storage.s3_lifecycle import lifecycle_rules
from tests.faults.tcp_proxy import Mode, TcpProxy
from tests.integration.jobs.storage.faulty_wire import Fault, Wire, faulty_wire

MB = 1 << 20


@pytest.fixture(params=["local", "s3", "moto"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param != "local":
        prefix = "team/videos/" if request.param == "moto" else ""  # the same laws hold below a prefix
        settings: S3Settings = request.getfixturevalue(f"{request.param}_settings")
        return S3Storage(settings.model_copy(update={"prefix": prefix}))
    return LocalStorage(tmp_path / "objects", public_url="http://front.example", secret=b"secret")


def read(storage: Storage, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join(storage.read(key, start, storage.stat(key).size_bytes if length is None else length))


def test_bytes_are_read_back_unchanged(storage: Storage) -> None:
    storage.put_bytes("a/bytes.png", b"picture")
    assert read(storage, "a/bytes.png") == b"picture"


def test_an_empty_object_is_an_object(storage: Storage) -> None:
    storage.put_bytes("a/empty.png", b"")
    assert read(storage, "a/empty.png") == b""


def test_putting_again_replaces(storage: Storage) -> None:
    storage.put_bytes("a/twice.png", b"the first and longer one")
    storage.put_bytes("a/twice.png", b"second")
    assert read(storage, "a/twice.png") == b"second"


def test_a_large_file_is_read_back_unchanged(storage: Storage, tmp_path: Path) -> None:
    data = bytes(range(256)) * (17 * MB // 256)
    (tmp_path / "video.mp4").write_bytes(data)
    storage.put_file("a/large.mp4", tmp_path / "video.mp4")
    assert read(storage, "a/large.mp4") == data


@pytest.mark.parametrize(("start", "length"), [(0, 1), (3, 4), (999_000, 1000), (0, 1_000_000), (5, 0)])
def test_a_range_is_exactly_that_range(storage: Storage, start: int, length: int) -> None:
    data = bytes(i * 7 % 256 for i in range(1_000_000))
    storage.put_bytes("a/range.mp4", data)
    assert read(storage, "a/range.mp4", start, length) == data[start : start + length]


def test_a_copy_stays_when_the_original_is_deleted(storage: Storage) -> None:
    storage.put_bytes("b/original.mp4", b"video")
    storage.copy("b/original.mp4", "a/copy.mp4")
    storage.delete_prefix("b/")
    assert (read(storage, "a/copy.mp4"), storage.stat("a/copy.mp4").content_type) == (b"video", "video/mp4")


def test_copying_nothing_is_a_key_error(storage: Storage) -> None:
    with pytest.raises(KeyError, match="nothing-here"):
        storage.copy("a/nothing-here", "a/copy.mp4")


def test_stat_returns_size_and_type(storage: Storage) -> None:
    storage.put_bytes("a/stat.mp4", b"12345")
    stat = storage.stat("a/stat.mp4")
    assert (stat.size_bytes, stat.content_type) == (5, "video/mp4")


def test_the_etag_changes_with_the_content(storage: Storage) -> None:
    storage.put_bytes("a/etag.mp4", b"12345")
    before = storage.stat("a/etag.mp4").etag
    storage.put_bytes("a/etag.mp4", b"54321-")
    assert storage.stat("a/etag.mp4").etag != before


def test_stat_of_nothing_is_a_key_error(storage: Storage) -> None:
    with pytest.raises(KeyError, match="nothing-here"):
        storage.stat("a/nothing-here")


def test_reading_nothing_is_a_key_error(storage: Storage) -> None:
    with pytest.raises(KeyError, match="nothing-here"):
        list(storage.read("a/nothing-here", 0, 10))


@pytest.mark.parametrize("key", ["dir", "dir/file.png/below"])
def test_what_is_not_an_object_is_a_key_error(storage: Storage, key: str) -> None:
    storage.put_bytes("dir/file.png", b"1")
    with pytest.raises(KeyError):
        storage.stat(key)
    with pytest.raises(KeyError):
        list(storage.read(key, 0, 1))


def test_deleting_a_job_leaves_its_neighbours(storage: Storage) -> None:
    keys = [
        input_key("video_1", "image.png"),
        result_key("video_1", 1, "t", "video.mp4"),
        input_key("video_11", "image.png"),
    ]
    for key in keys:
        storage.put_bytes(key, b"1")
    for prefix in job_prefixes("video_1"):
        storage.delete_prefix(prefix)
    with pytest.raises(KeyError):
        storage.stat(keys[0])
    with pytest.raises(KeyError):
        storage.stat(keys[1])
    assert storage.stat(keys[2])


def test_deleting_nothing_is_no_error(storage: Storage) -> None:
    storage.delete_prefix("inputs/video_that_never_was/")
    storage.delete("inputs/video_that_never_was/image.png")


def test_deleting_one_object_leaves_the_one_beside_it(storage: Storage) -> None:
    for name in ("one.png", "two.png"):
        storage.put_bytes(f"d/{name}", b"1")
    storage.delete("d/one.png")
    assert [item.key for item in storage.list("d/")] == ["d/two.png"]


def test_a_list_has_every_object_below_a_prefix_with_size_and_time(storage: Storage) -> None:
    before = time.time()
    storage.put_bytes("l/video_1/a.png", b"12")
    storage.put_bytes("l/video_1/deep/b.png", b"123")
    storage.put_bytes("l/video_11/c.png", b"1")
    items = {item.key: item for item in storage.list("l/video_1/")}
    assert {key: item.size_bytes for key, item in items.items()} == {
        "l/video_1/a.png": 2,
        "l/video_1/deep/b.png": 3,
    }
    assert all(before - 2 <= item.modified_at <= time.time() + 2 for item in items.values())
    assert list(storage.list("l/nothing/")) == []
    assert {"l/video_1/a.png", "l/video_11/c.png"} <= {item.key for item in storage.list("")}


def test_a_storage_that_works_passes_its_check(storage: Storage) -> None:
    storage.check()


def test_two_attempts_have_different_keys() -> None:
    assert result_key("v", 1, "a", "video.mp4") != result_key("v", 1, "b", "video.mp4")


class TestFaultyConnection:
    """Laws of every store behind a faulty connection."""

    @pytest.fixture(params=["s3", "moto"])
    def wire(self, request: pytest.FixtureRequest) -> Iterator[Wire]:
        settings = request.getfixturevalue(f"{request.param}_settings")
        with faulty_wire(settings.endpoint_url) as wire:
            yield wire

    @pytest.fixture
    def storage(self, wire: Wire, s3_settings: S3Settings) -> S3Storage:
        return S3Storage(s3_settings.model_copy(update={"endpoint_url": wire.url}))

    def test_a_broken_upload_is_sent_again_in_full(self, wire: Wire, storage: S3Storage, tmp_path: Path) -> None:
        data = bytes(range(256)) * (9 * MB // 256)  # two parts
        (tmp_path / "video.mp4").write_bytes(data)
        wire.faults = [Fault("PUT", cut_upload=True), Fault("PUT", status=503, code="SlowDown")]
        storage.put_file("w/cut.mp4", tmp_path / "video.mp4")
        assert wire.faults == []
        assert read(storage, "w/cut.mp4") == data

    def test_an_upload_that_never_arrives_creates_no_object(
        self, wire: Wire, storage: S3Storage, tmp_path: Path
    ) -> None:
        (tmp_path / "video.mp4").write_bytes(b"1" * MB)
        wire.faults = [Fault("PUT", cut_upload=True)] * 4
        with pytest.raises(StorageUnavailable) as error:
            storage.put_file("w/never.mp4", tmp_path / "video.mp4")
        assert not isinstance(error.value, StorageRefused)
        with pytest.raises(KeyError):
            storage.stat("w/never.mp4")

    def test_a_broken_download_is_resumed(self, wire: Wire, storage: S3Storage) -> None:
        data = bytes(i * 7 % 256 for i in range(MB))
        storage.put_bytes("w/down.mp4", data)
        wire.faults = [Fault("GET", cut_download_at=400_000), Fault("GET", pause_s=0.02)]
        assert read(storage, "w/down.mp4", 10, MB - 10) == data[10:]
        assert wire.methods.count("GET") == 2

    def test_a_download_never_mixes_two_versions(self, wire: Wire, storage: S3Storage) -> None:
        storage.put_bytes("w/two.mp4", b"1" * MB)
        wire.faults = [Fault("GET", cut_download_at=400_000)]
        pieces = storage.read("w/two.mp4", 0, MB)
        got = [next(pieces)]
        storage.put_bytes("w/two.mp4", b"2" * MB)
        with pytest.raises(StorageUnavailable):
            got += pieces
        assert set(b"".join(got)) == set(b"1")

    def test_a_full_store_is_reported(self, wire: Wire, storage: S3Storage) -> None:
        wire.faults = [Fault("PUT", status=507, code="XMinioStorageFull")] * 4
        with pytest.raises(StorageFull, match="no space left"):
            storage.put_bytes("w/full.mp4", b"1")

    def test_a_refusal_is_not_retried_and_has_advice(self, wire: Wire, storage: S3Storage) -> None:
        wire.faults = [Fault("PUT", status=403, code="AccessDenied")]
        with pytest.raises(StorageRefused, match="allow them to read, write, list and delete"):
            storage.put_bytes("w/no.mp4", b"1")
        assert wire.methods == ["PUT"]


class TestLocal:
    """Cases of a local folder."""

    def test_a_full_disk_is_reported_and_nothing_is_left(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path / "objects", public_url="", secret=b"s")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # the kernel refuses what goes beyond
        try:
            with pytest.raises(StorageFull):
                storage.put_bytes("a/b.mp4", b"1" * 5000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []

    def test_the_unfinished_file_of_a_killed_writer_is_no_object_and_is_deleted(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path / "objects", public_url="", secret=b"s")
        program = (
            "import os, sys; from pathlib import Path; from jobs.storage.local import LocalStorage\n"
            "LocalStorage(Path(sys.argv[1]), public_url='', secret=b's')._put('a/b.mp4', lambda file: "
            "(file.write_bytes(b'half'), os.kill(os.getpid(), 9)))"
        )
        subprocess.run([sys.executable, "-c", program, str(tmp_path / "objects")], check=False)
        assert [path.read_bytes() for path in (tmp_path / "objects").rglob("*") if path.is_file()] == [b"half"]
        assert list(storage.list("")) == []
        assert storage.drop_unfinished(before=time.time() - 600) == 0
        assert storage.drop_unfinished(before=time.time() + 600) == 1
        assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []

    def test_a_list_of_nothing_yet_is_empty(self, tmp_path: Path) -> None:
        assert list(LocalStorage(tmp_path / "objects", public_url="", secret=b"s").list("")) == []

    @pytest.mark.parametrize("key", ["../out.png", "/etc/passwd", "a/../../out.png", "..", "", "."])
    def test_a_key_that_leaves_the_folder_is_refused(self, tmp_path: Path, key: str) -> None:
        storage = LocalStorage(tmp_path / "objects", public_url="", secret=b"s")
        (tmp_path / "out.png").write_bytes(b"not yours")
        with pytest.raises(KeyError):
            storage.stat(key)
        with pytest.raises(KeyError):
            storage.put_bytes(key, b"x")
        with pytest.raises(KeyError):
            storage.delete_prefix(key)
        assert (tmp_path / "out.png").read_bytes() == b"not yours"

    def test_a_symbolic_link_out_of_the_folder_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "objects").mkdir()
        (tmp_path / "objects" / "way-out").symlink_to("/etc")
        with pytest.raises(KeyError):
            LocalStorage(tmp_path / "objects", public_url="", secret=b"s").stat("way-out/passwd")

    def test_nothing_half_written_is_left_when_the_source_is_missing(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path / "objects", public_url="", secret=b"s")
        with pytest.raises(StorageUnavailable):
            storage.put_file("a/b.mp4", tmp_path / "missing")
        assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []

    def test_a_folder_that_cannot_be_written_is_named_so(self, tmp_path: Path) -> None:
        (tmp_path / "objects").write_text("a file where the folder should be")
        storage = LocalStorage(tmp_path / "objects", public_url="", secret=b"s")
        with pytest.raises(StorageUnavailable):
            storage.put_bytes("a/b.mp4", b"1")
        with pytest.raises(StorageUnavailable):
            storage.check()

    def test_a_link_goes_to_the_front_end(self, tmp_path: Path) -> None:
        storage = LocalStorage(tmp_path, public_url="http://front.example/", secret=b"s")
        assert storage.url("a/b.mp4", 60, "b.mp4").startswith("http://front.example/files/a/b.mp4?")


class TestS3:
    """Cases of a remote server."""

    @pytest.fixture
    def link(self, s3_settings: S3Settings) -> str:
        storage = S3Storage(s3_settings)
        storage.put_bytes("links/video.mp4", b"0123456789")
        return storage.url("links/video.mp4", 60, "a ball\u2014rolling.mp4")

    def test_anybody_with_the_link_can_fetch(self, link: str) -> None:
        answer = httpx.get(link, timeout=60)
        assert (answer.status_code, answer.content) == (200, b"0123456789")

    def test_a_browser_can_seek(self, link: str) -> None:
        answer = httpx.get(link, headers={"Range": "bytes=2-4"}, timeout=60)
        assert (answer.status_code, answer.content) == (206, b"234")

    def test_the_link_saves_under_a_name_and_as_a_video(self, link: str) -> None:
        headers = httpx.get(link, timeout=60).headers
        assert headers["content-disposition"] == attachment("a ball—rolling.mp4")
        assert headers["content-type"] == "video/mp4"

    @pytest.mark.parametrize("change", [("video.mp4", "other.mp4"), ("Expires=60", "Expires=6000")])
    def test_a_changed_link_is_refused(self, link: str, change: tuple[str, str]) -> None:
        assert httpx.get(link.replace(*change, 1), timeout=60).status_code == 403

    def test_an_unsigned_request_is_refused(self, link: str) -> None:
        assert httpx.get(link.split("?")[0], timeout=60).status_code == 403

    def test_a_link_expires(self, s3_settings: S3Settings) -> None:
        storage = S3Storage(s3_settings)
        storage.put_bytes("links/short.mp4", b"1")
        link = storage.url("links/short.mp4", 1, "short.mp4")
        time.sleep(2.1)
        assert httpx.get(link, timeout=60).status_code == 403

    def test_a_link_has_the_public_address(self, s3_settings: S3Settings) -> None:
        outside = s3_settings.model_copy(update={"public_endpoint_url": "https://cdn.example"})
        assert S3Storage(outside).url("a", 60, "a").startswith("https://cdn.example/videos/a?")

    @pytest.fixture
    def stranger(self, s3_settings: S3Settings) -> S3Storage:
        return S3Storage(s3_settings.model_copy(update={"secret_access_key": SecretStr("wrong")}))

    def test_wrong_keys_are_unavailable_storage(self, stranger: S3Storage, tmp_path: Path) -> None:
        (tmp_path / "video.mp4").write_bytes(b"1")
        refused: list[Callable[[], object]] = [
            lambda: stranger.put_bytes("a", b"1"),
            lambda: stranger.put_file("a", tmp_path / "video.mp4"),
            lambda: stranger.stat("a"),
            lambda: list(stranger.read("a", 0, 1)),
            lambda: stranger.delete_prefix("a/"),
            stranger.check,
        ]
        for action in refused:
            with pytest.raises(StorageUnavailable):
                action()

    def test_an_unfinished_upload_is_deleted(self, s3_settings: S3Settings) -> None:
        storage = S3Storage(s3_settings)
        begun = storage.client.create_multipart_upload(Bucket=storage.bucket, Key="videos/w/begun.mp4")
        assert storage.drop_unfinished(before=time.time() - 600) == 0
        assert storage.drop_unfinished(before=time.time() + 600) >= 1
        with pytest.raises(storage.client.exceptions.ClientError, match="NoSuchUpload"):
            storage.client.list_parts(Bucket=storage.bucket, Key="videos/w/begun.mp4", UploadId=begun["UploadId"])

    @pytest.mark.parametrize("kind", ["s3", "moto"])
    def test_unfinished_uploads_of_others_in_the_bucket_stay(self, request: pytest.FixtureRequest, kind: str) -> None:
        settings: S3Settings = request.getfixturevalue(f"{kind}_settings")
        storage = S3Storage(settings.model_copy(update={"prefix": "own/"}))
        keys = ("backups/database.tar", "videos/of-another/video.mp4", "own/notes/a.txt", "own/videos/v/video.mp4")
        for key in keys:
            storage.client.create_multipart_upload(Bucket=storage.bucket, Key=key)
        assert storage.drop_unfinished(before=time.time() + 600) == 1
        assert storage.drop_unfinished(before=time.time() + 600) == 0

    def test_links_and_folders_have_the_prefix(self, s3_settings: S3Settings) -> None:
        storage = S3Storage(s3_settings.model_copy(update={"prefix": "team/a/"}))
        storage.put_bytes("links/video.mp4", b"0123456789")
        link = storage.url("links/video.mp4", 60, "video.mp4")
        assert "/videos/team/a/links/video.mp4?" in link
        assert httpx.get(link, timeout=60).content == b"0123456789"
        whole = S3Storage(s3_settings)
        assert [item.key for item in whole.list("team/a/")] == ["team/a/links/video.mp4"]
        assert [item.key for item in storage.list("")] == ["links/video.mp4"]

    def test_lifecycle_rules_of_several_prefixes_stand_side_by_side(self, moto_settings: S3Settings) -> None:
        storages = [S3Storage(moto_settings.model_copy(update={"prefix": prefix})) for prefix in ("", "a/", "b/c/")]
        for storage in storages:
            storage.set_lifecycle()
        rules = storages[0].client.get_bucket_lifecycle_configuration(Bucket=storages[0].bucket)["Rules"]
        by_id = {rule["ID"]: rule["Filter"]["Prefix"] for rule in rules}
        assert {by_id[f"easyanimate-{prefix}checkpoints"] for prefix in ("", "a/", "b/c/")} == {
            "checkpoints/",
            "a/checkpoints/",
            "b/c/checkpoints/",
        }

    @pytest.mark.parametrize(
        ("code", "advice"),
        [
            ("RequestTimeTooSkewed", "clock"),
            ("SignatureDoesNotMatch", "secret key does not belong"),
            ("InvalidAccessKeyId", "access key does not exist"),
            ("AccessDenied", "lack permission"),
        ],
    )
    def test_a_refused_check_names_the_reason(self, s3_settings: S3Settings, code: str, advice: str) -> None:
        with faulty_wire(str(s3_settings.endpoint_url)) as wire:
            storage = S3Storage(s3_settings.model_copy(update={"endpoint_url": wire.url}))
            wire.faults = [Fault("HEAD", status=403), Fault("GET", status=403, code=code)]
            with pytest.raises(StorageRefused, match=advice):
                storage.check()
            assert wire.methods == ["HEAD", "GET"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"secret_access_key": SecretStr("wrong")}, "SignatureDoesNotMatch"),
            ({"access_key_id": "nobody"}, "InvalidAccessKeyId"),
        ],
    )
    def test_a_check_distinguishes_a_wrong_secret_from_an_unknown_key(
        self, s3_settings: S3Settings, change: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(StorageRefused, match=reason):
            S3Storage(s3_settings.model_copy(update=change)).check()

    def test_a_check_on_a_machine_with_a_wrong_clock_names_the_clock(
        self, s3_settings: S3Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage, now = S3Storage(s3_settings), datetime.now(UTC).replace(tzinfo=None)
        storage.check()
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now + timedelta(hours=1))
        with pytest.raises(StorageRefused, match="clock"):
            storage.check()

    @pytest.mark.parametrize("kind", ["s3", "moto"])
    def test_lifecycle_rules_leave_other_rules_unchanged(self, request: pytest.FixtureRequest, kind: str) -> None:
        storage = S3Storage(request.getfixturevalue(f"{kind}_settings"))
        other: Any = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "t/"}, "Expiration": {"Days": 9}}
        storage.client.put_bucket_lifecycle_configuration(
            Bucket=storage.bucket, LifecycleConfiguration={"Rules": [other]}
        )
        for _ in range(2):
            assert storage.set_lifecycle()
        rules = storage.client.get_bucket_lifecycle_configuration(Bucket=storage.bucket)["Rules"]
        by_id = {rule["ID"]: rule for rule in rules}
        assert set(by_id) == {"theirs", *(rule["ID"] for rule in lifecycle_rules())}
        assert by_id["theirs"]["Expiration"]["Days"] == 9
        assert by_id["easyanimate-checkpoints"]["Filter"]["Prefix"] == "checkpoints/"

    def test_wrong_keys_are_named_and_not_retried(self, stranger: S3Storage) -> None:
        with pytest.raises(StorageRefused, match="EASYANIMATE_S3__SECRET_ACCESS_KEY"):
            stranger.put_bytes("a", b"1")

    @pytest.mark.parametrize("checksum", ["md5", "sha256"])
    def test_a_flipped_bit_of_an_upload_is_detected(self, s3_settings: S3Settings, checksum: str) -> None:
        with faulty_wire(str(s3_settings.endpoint_url)) as wire:
            storage = S3Storage(s3_settings.model_copy(update={"endpoint_url": wire.url, "checksum": checksum}))
            wire.faults = [Fault("PUT", flip_upload=True)]
            with suppress(StorageUnavailable):
                storage.put_bytes("a/flipped.mp4", b"what was meant")
                assert read(storage, "a/flipped.mp4") == b"what was meant"
                return
            with pytest.raises(KeyError):
                storage.stat("a/flipped.mp4")

    def test_a_silent_store_times_out(self, s3_settings: S3Settings) -> None:
        line = TcpProxy(int(str(s3_settings.endpoint_url).rpartition(":")[2]))
        line.inject(Mode.SILENT)
        silent = s3_settings.model_copy(update={"endpoint_url": f"http://127.0.0.1:{line.port}"})
        try:
            with pytest.raises(StorageUnavailable):
                S3Storage(silent, tries=2, timeout_s=0.3).put_bytes("a", b"b")
        finally:
            line.close()

    def test_a_missing_bucket_is_unavailable_storage(self, s3_settings: S3Settings) -> None:
        storage = S3Storage(s3_settings.model_copy(update={"bucket": "no-such-bucket"}))
        with pytest.raises(StorageUnavailable):
            storage.check()
        with pytest.raises(StorageUnavailable):
            storage.put_bytes("a", b"1")

    def test_a_stopped_server_is_unavailable_and_its_objects_return_with_it(
        self, start_s3: Callable[[Path], AbstractContextManager[S3Settings]], tmp_path: Path
    ) -> None:
        with start_s3(tmp_path) as settings:
            storage = S3Storage(settings)
            storage.put_bytes("a/kept.mp4", b"1")
        with pytest.raises(StorageUnavailable):
            storage.check()
        with start_s3(tmp_path) as settings:
            assert read(S3Storage(settings), "a/kept.mp4") == b"1"

    def test_no_secret_is_in_an_error(self, stranger: S3Storage) -> None:
        with pytest.raises(StorageUnavailable) as error:
            stranger.put_bytes("a", b"1")
        assert "wrong" not in str(error.value)


@pytest.mark.parametrize(("kind", "expected"), [("local", LocalStorage), ("s3", S3Storage)])
def test_the_settings_choose_the_storage(kind: str, expected: type, tmp_path: Path) -> None:
    settings = Settings.model_validate({"storage": kind, "data_dir": tmp_path})
    assert isinstance(open_storage(settings), expected)
