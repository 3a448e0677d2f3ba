"""Storage in an S3 bucket (AWS, SeaweedFS, MinIO, R2, OSS by endpoint and addressing style) through boto3."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boto3.s3.transfer import TransferConfig

from jobs.errors import StorageRefused, StorageUnavailable
from jobs.settings import S3Settings
from jobs.storage.content_disposition import attachment
from jobs.storage.interface import ListedObject, StoredObject
from jobs.storage.paths import FOLDERS, content_type_of
from jobs.storage.s3_client import open_client, upload_checksum
from jobs.storage.s3_errors import no_such_bucket, required, s3_errors
from jobs.storage.s3_lifecycle import set_lifecycle

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CHUNK_BYTES = 1 << 18
TRANSFER = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=4)
READ_TRIES = 3


class S3Storage:
    """Objects in one bucket, below the prefix of the settings, which is no part of a `key`.

    Links are presigned for `public_endpoint_url`, the address for clients.

    `tries` and `timeout_s` are those of `open_client`.
    """

    def __init__(self, settings: S3Settings, *, tries: int = 4, timeout_s: float = 60.0) -> None:
        self.settings = settings
        self.bucket = settings.bucket
        self.prefix = settings.prefix
        self.client = open_client(settings, settings.endpoint_url, tries=tries, timeout_s=timeout_s)
        self._checked = {"ChecksumAlgorithm": "SHA256"} if upload_checksum(settings) == "sha256" else {}

    def put_bytes(self, key: str, data: bytes) -> None:
        """Stores these bytes; S3 checks them on arrival and shows them complete or not at all."""
        extra: dict[str, Any] = {"ContentType": content_type_of(key), **self._checked}
        with s3_errors(key):
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + key, Body=data, **extra)

    def put_file(self, key: str, path: Path) -> None:
        """Stores the file at `path`, in parts if it is large; S3 checks each part, and the total size is compared."""
        extra: dict[str, Any] = {"ContentType": content_type_of(key), **self._checked}
        with s3_errors(key):
            self.client.upload_file(str(path), self.bucket, self.prefix + key, ExtraArgs=extra, Config=TRANSFER)
        stored, sent = self.stat(key).size_bytes, path.stat().st_size
        if stored != sent:
            raise StorageUnavailable(f"the object store received {stored} of {sent} bytes")

    def copy(self, source: str, key: str) -> None:
        """Copies the object inside S3, without a download. Raises KeyError."""
        with s3_errors(source):
            origin: Any = {"Bucket": self.bucket, "Key": self.prefix + source}
            self.client.copy_object(Bucket=self.bucket, Key=self.prefix + key, CopySource=origin)

    def stat(self, key: str) -> StoredObject:
        """Returns size, type and etag of the object. Raises KeyError."""
        try:
            with s3_errors(key):
                head = self.client.head_object(Bucket=self.bucket, Key=self.prefix + key)
        except KeyError:
            self._check_bucket()
            raise
        content_type = head.get("ContentType", content_type_of(key))
        return StoredObject(required(head, "ContentLength"), content_type, required(head, "ETag"))

    def _check_bucket(self) -> None:
        """Raises StorageRefused if there is no bucket: a HEAD of its objects has the answer of a missing object."""
        try:
            with s3_errors(self.bucket):
                self.client.head_bucket(Bucket=self.bucket)
        except KeyError as error:
            raise no_such_bucket() from error
        except StorageUnavailable:  # not every key may look at the bucket
            return

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Yields `length` bytes from byte `start` on, in chunks. Raises KeyError.

        A stream that breaks off is resumed at its last byte, if the object has not changed.
        """
        end, tries, etag = start + length, 0, None
        while start < end:
            try:
                with s3_errors(key):
                    condition: Any = {"IfMatch": etag} if etag else {}
                    span = f"bytes={start}-{end - 1}"
                    response = self.client.get_object(
                        Bucket=self.bucket, Key=self.prefix + key, Range=span, **condition
                    )
                    etag = required(response, "ETag")
                    for chunk in response["Body"].iter_chunks(CHUNK_BYTES):
                        start += len(chunk)
                        yield chunk
                    return
            except (StorageRefused, KeyError):
                raise
            except StorageUnavailable:
                tries += 1
                if etag is None or tries == READ_TRIES:
                    raise

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Lists the objects whose keys start with `prefix`."""
        full = self.prefix + prefix
        with s3_errors(prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=full):
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self.prefix)
                    yield ListedObject(key, item["Size"], item["LastModified"].timestamp())

    def delete(self, key: str) -> None:
        """Deletes this object."""
        with s3_errors(key):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

    def delete_prefix(self, prefix: str) -> None:
        """Deletes the objects with this prefix one by one: not every store can delete many at once."""
        for item in self.list(prefix):
            self.delete(item.key)

    def drop_unfinished(self, before: float) -> int:
        """Aborts multipart uploads that began before this time; the store charges for their parts until then.

        Those of other applications in the bucket stay.
        """
        dropped, own = 0, tuple(self.prefix + folder for folder in FOLDERS)
        pages = self.client.get_paginator("list_multipart_uploads")
        with s3_errors(self.bucket):
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
                for upload in page.get("Uploads", []):
                    if upload["Key"].startswith(own) and upload["Initiated"].timestamp() < before:
                        target: Any = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                        self.client.abort_multipart_upload(Bucket=self.bucket, **target)
                        dropped += 1
        return dropped

    def set_lifecycle(self) -> bool:
        """Adds the lifecycle rules of this service to the bucket; other rules stay."""
        set_lifecycle(self.client, self.bucket, self.prefix)
        return True

    def free_bytes(self) -> int | None:
        """Returns None: a bucket has no known size."""
        return None

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """Returns a presigned link, valid for at most a week."""
        params = {"Bucket": self.bucket, "Key": self.prefix + key, "ResponseContentDisposition": attachment(filename)}
        return self._public_client.generate_presigned_url("get_object", Params=params, ExpiresIn=expires_in_s)

    def check(self) -> None:
        """Raises StorageUnavailable if the bucket does not answer within seconds, or refuses its keys."""
        try:
            with s3_errors(self.bucket):
                self._check_client.head_bucket(Bucket=self.bucket)
        except StorageRefused:  # the answer to HEAD has no body, and thus no reason
            with s3_errors(self.bucket):
                self._check_client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=1)
        except KeyError as error:
            raise no_such_bucket() from error

    def is_versioned(self) -> bool | None:
        """Whether the bucket keeps old versions of objects; None if the store does not say so."""
        try:
            with s3_errors(self.bucket):
                return self._check_client.get_bucket_versioning(Bucket=self.bucket).get("Status") == "Enabled"
        except (StorageUnavailable, KeyError):
            return None

    @cached_property
    def _check_client(self) -> "S3Client":
        return open_client(self.settings, self.settings.endpoint_url, tries=1, timeout_s=3)

    @cached_property
    def _public_client(self) -> "S3Client":
        return open_client(self.settings, self.settings.public_endpoint_url or self.settings.endpoint_url)
