"""Headers of uploads to AWS and to other stores; each request is caught before it is sent."""

from base64 import b64encode
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from jobs.errors import StorageRefused, StorageUnavailable
from jobs.settings import S3Settings
from jobs.storage.s3 import S3Storage

ELSEWHERE = ("https://account.r2.example", "https://oss-eu.example", "http://127.0.0.1:9000")


def sent(settings: S3Settings, tmp_path: Path, size: int) -> list[AWSPreparedRequest]:
    """The requests of one upload."""
    storage, requests = S3Storage(settings), []

    def catch(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        requests.append(request)
        xml = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        headers = {"ETag": '"1"', "Content-Length": str(size), "Content-Type": "video/mp4"}
        return _Answer(request.url, 200, headers, b"" if request.method in ("PUT", "HEAD") else xml)

    storage.client.meta.events.register("before-send.s3", catch)
    (tmp_path / "video.mp4").write_bytes(b"1" * size)
    storage.put_file("a/video.mp4", tmp_path / "video.mp4")
    return [request for request in requests if request.method == "PUT"]


class _Answer(AWSResponse):
    def __init__(self, url: str, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(url, status, headers, None)
        self._content = body


def settings_for(endpoint: str | None, **changes: Any) -> S3Settings:
    keys = {"access_key_id": "a", "secret_access_key": "b"}
    return S3Settings.model_validate({"bucket": "videos", "endpoint_url": endpoint, **keys, **changes})


@pytest.mark.parametrize("endpoint", ELSEWHERE)
@pytest.mark.parametrize("size", [1000, 9 << 20])
def test_other_stores_get_an_md5_and_no_trailer(endpoint: str, size: int, tmp_path: Path) -> None:
    requests = sent(settings_for(endpoint), tmp_path, size)
    assert len(requests) == (1 if size == 1000 else 2)
    for request in requests:
        names = {name.lower() for name in request.headers}
        assert "content-md5" in names
        assert not names & {"x-amz-trailer", "content-encoding", "x-amz-sdk-checksum-algorithm"}
        assert not any(name.startswith("x-amz-checksum") for name in names)
    if size == 1000:
        digest = b64encode(md5(b"1" * size, usedforsecurity=False).digest())
        assert requests[0].headers["Content-MD5"] == digest


@pytest.mark.parametrize("endpoint", [None, "https://s3.eu-central-1.amazonaws.com"])
def test_aws_gets_a_sha256(endpoint: str | None, tmp_path: Path) -> None:
    (request,) = sent(settings_for(endpoint), tmp_path, 1000)
    assert request.headers["x-amz-trailer"].lower() == b"x-amz-checksum-sha256"


def test_the_setting_overrides_the_automatic_checksum(tmp_path: Path) -> None:
    (request,) = sent(settings_for(None, checksum="md5"), tmp_path, 1000)
    assert "content-md5" in {name.lower() for name in request.headers}


@pytest.mark.parametrize(
    ("style", "begins"),
    [("path", "https://store.example/videos/a/"), ("virtual", "https://videos.store.example/a/")],
)
def test_the_setting_decides_how_a_bucket_is_addressed(style: str, begins: str, tmp_path: Path) -> None:
    (request,) = sent(settings_for("https://store.example", addressing_style=style), tmp_path, 10)
    assert request.url.startswith(begins)


def answering(object_answer: tuple[int, dict[str, str]], bucket_status: int = 200) -> S3Storage:
    """A storage whose objects and whose bucket have these answers."""
    storage = S3Storage(settings_for("http://127.0.0.1:9000", addressing_style="path"), tries=1)

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        is_bucket = request.url.endswith("/videos")
        status, headers = (bucket_status, {}) if is_bucket else object_answer
        return _Answer(request.url, status, headers, b"")

    storage.client.meta.events.register("before-send.s3", answer)
    return storage


def test_the_page_of_a_balancer_is_no_missing_object() -> None:
    storage = answering((200, {"Content-Length": "512", "Content-Type": "text/html"}))
    for call in (lambda: storage.stat("a/video.mp4"), lambda: list(storage.read("a/video.mp4", 0, 10))):
        with pytest.raises(StorageUnavailable, match="has no ETag: it is not that of an object store"):
            call()


def test_a_size_that_is_not_named_is_no_missing_object() -> None:
    with pytest.raises(StorageUnavailable, match="has no ContentLength"):
        answering((200, {"ETag": '"1"'})).stat("a/video.mp4")


def test_an_object_of_a_bucket_that_does_not_exist_is_not_missing_but_refused() -> None:
    with pytest.raises(StorageRefused, match="NoSuchBucket: there is no such bucket"):
        answering((404, {}), bucket_status=404).stat("a/video.mp4")


@pytest.mark.parametrize("bucket_status", [200, 403, 503])
def test_an_object_is_missing_if_the_bucket_exists_or_may_not_be_looked_at(bucket_status: int) -> None:
    with pytest.raises(KeyError):
        answering((404, {}), bucket_status).stat("a/video.mp4")
