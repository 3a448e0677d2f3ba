"""Storage in an S3 bucket (AWS, SeaweedFS, MinIO, R2, OSS by endpoint and addressing style) through boto3."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from boto3.s3.transfer import TransferConfig

from jobs.errors import StorageRefused, StorageUnavailable
from jobs.settings import S3Settings
from jobs.storage.interface import ListedObject, StoredObject
from jobs.storage.paths import content_type_of
from jobs.storage.s3_client import open_client, upload_checksum
from jobs.storage.s3_errors import ADVICE, s3_errors
from jobs.storage.s3_lifecycle import set_lifecycle

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CHUNK_BYTES = 1 << 18
TRANSFER = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=4)
READ_TRIES = 3


class S3Storage:
    """Objects in one bucket. Links are presigned for `public_endpoint_url`, the address that clients can reach.

    `tries` and `timeout_s` as in `open_client`.
    """

    def __init__(self, settings: S3Settings, *, tries: int = 4, timeout_s: float = 60.0) -> None:
        self.settings = settings
        self.bucket = settings.bucket
        self.client = open_client(settings, settings.endpoint_url, tries=tries, timeout_s=timeout_s)
        self._checked = {"ChecksumAlgorithm": "SHA256"} if upload_checksum(settings) == "sha256" else {}

    def put_bytes(self, key: str, data: bytes) -> None:
        """Store these bytes; S3 makes them visible whole or not at all, and checks them on arrival."""
        extra: dict[str, Any] = {"ContentType": content_type_of(key), **self._checked}
        with s3_errors(key):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=data, **extra)

    def put_file(self, key: str, path: Path) -> None:
        """Store the file at `path`, in parts if it is large; S3 checks each, and we that all of it is there."""
        extra: dict[str, Any] = {"ContentType": content_type_of(key), **self._checked}
        with s3_errors(key):
            self.client.upload_file(str(path), self.bucket, key, ExtraArgs=extra, Config=TRANSFER)
        stored, sent = self.stat(key).size_bytes, path.stat().st_size
        if stored != sent:
            raise StorageUnavailable(f"the object store has {stored} of {sent} bytes")

    def copy(self, source: str, key: str) -> None:
        """Have S3 copy it, without its bytes coming by here. Raises KeyError."""
        with s3_errors(source):
            self.client.copy_object(Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": source})

    def stat(self, key: str) -> StoredObject:
        """Size, type and etag of the object. Raises KeyError."""
        with s3_errors(key):
            found = self.client.head_object(Bucket=self.bucket, Key=key)
        return StoredObject(found["ContentLength"], found["ContentType"], found["ETag"])

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from byte `start` on, in pieces. Raises KeyError.

        A stream that breaks off is taken up where it ended, as long as the same object lies there.
        """
        end, tries, tag = start + length, 0, None
        while start < end:
            try:
                with s3_errors(key):
                    condition: Any = {"IfMatch": tag} if tag else {}
                    span = f"bytes={start}-{end - 1}"
                    found = self.client.get_object(Bucket=self.bucket, Key=key, Range=span, **condition)
                    tag = found["ETag"]
                    for piece in found["Body"].iter_chunks(CHUNK_BYTES):
                        start += len(piece)
                        yield piece
                    return
            except (StorageRefused, KeyError):
                raise
            except StorageUnavailable:
                tries += 1
                if tag is None or tries == READ_TRIES:
                    raise

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Every object whose key starts so."""
        with s3_errors(prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield ListedObject(item["Key"], item["Size"], item["LastModified"].timestamp())

    def delete(self, key: str) -> None:
        """Remove this object."""
        with s3_errors(key):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def delete_prefix(self, prefix: str) -> None:
        """Remove every object whose key starts so, one by one: not every store can delete many at once."""
        for found in self.list(prefix):
            self.delete(found.key)

    def drop_unfinished(self, before: float) -> int:
        """Abort the uploads in parts that began before then; their parts would be paid for until somebody does."""
        dropped = 0
        with s3_errors(self.bucket):
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket):
                for upload in page.get("Uploads", []):
                    if upload["Initiated"].timestamp() < before:
                        told: Any = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                        self.client.abort_multipart_upload(Bucket=self.bucket, **told)
                        dropped += 1
        return dropped

    def set_lifecycle(self) -> bool:
        """Give the bucket our rules; those of others stay."""
        set_lifecycle(self.client, self.bucket)
        return True

    def free_bytes(self) -> int | None:
        """A bucket does not tell."""
        return None

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """A presigned link, good for at most a week."""
        disposition = f"attachment; filename*=UTF-8''{quote(filename)}"
        wanted = {"Bucket": self.bucket, "Key": key, "ResponseContentDisposition": disposition}
        return self._outside.generate_presigned_url("get_object", Params=wanted, ExpiresIn=expires_in_s)

    def check(self) -> None:
        """Whether the bucket is there and lets us in; whoever asks does not wait long."""
        try:
            with s3_errors(self.bucket):
                self._hasty.head_bucket(Bucket=self.bucket)
        except KeyError as error:
            raise StorageRefused(f"the object store refused with NoSuchBucket: {ADVICE['NoSuchBucket']}") from error

    @cached_property
    def _hasty(self) -> "S3Client":
        return open_client(self.settings, self.settings.endpoint_url, tries=1, timeout_s=3)

    @cached_property
    def _outside(self) -> "S3Client":
        return open_client(self.settings, self.settings.public_endpoint_url or self.settings.endpoint_url)
