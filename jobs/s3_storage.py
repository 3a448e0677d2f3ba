"""Storage in an S3 bucket (AWS, SeaweedFS, MinIO, R2, OSS by endpoint and addressing style) through boto3."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import boto3
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs.errors import StorageUnavailable
from jobs.settings import S3Settings
from jobs.storage import StoredObject, content_type_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CHUNK_BYTES = 1 << 18
TRANSFER = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=4)


class S3Storage:
    """Objects in one bucket. Links are presigned for `public_endpoint_url`, the address that clients can reach."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self.bucket = settings.bucket
        self.client = _client(settings, settings.endpoint_url)

    def put_bytes(self, key: str, data: bytes) -> None:
        """Store these bytes; S3 makes them visible whole or not at all, and checks their SHA-256."""
        with _answering(key):
            self.client.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType=content_type_of(key), ChecksumAlgorithm="SHA256"
            )

    def put_file(self, key: str, path: Path) -> None:
        """Store the file at `path`, in parts if it is large; S3 checks the SHA-256 of each."""
        extra = {"ContentType": content_type_of(key), "ChecksumAlgorithm": "SHA256"}
        with _answering(key):
            self.client.upload_file(str(path), self.bucket, key, ExtraArgs=extra, Config=TRANSFER)

    def copy(self, source: str, key: str) -> None:
        """Have S3 copy it, without its bytes coming by here. Raises KeyError."""
        with _answering(source):
            self.client.copy_object(Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": source})

    def look(self, key: str) -> StoredObject:
        """Size, type and etag of the object. Raises KeyError."""
        with _answering(key):
            found = self.client.head_object(Bucket=self.bucket, Key=key)
        return StoredObject(found["ContentLength"], found["ContentType"], found["ETag"])

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from byte `start` on, in pieces. Raises KeyError."""
        if length <= 0:
            return
        with _answering(key):
            found = self.client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={start}-{start + length - 1}")
            yield from found["Body"].iter_chunks(CHUNK_BYTES)

    def delete_prefix(self, prefix: str) -> None:
        """Remove every object whose key starts so."""
        with _answering(prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    self.client.delete_object(Bucket=self.bucket, Key=item["Key"])

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """A presigned link, good for at most a week."""
        disposition = f"attachment; filename*=UTF-8''{quote(filename)}"
        wanted = {"Bucket": self.bucket, "Key": key, "ResponseContentDisposition": disposition}
        return self._outside.generate_presigned_url("get_object", Params=wanted, ExpiresIn=expires_in_s)

    def check(self) -> None:
        """Whether the bucket is there and lets us in."""
        try:
            with _answering(self.bucket):
                self.client.head_bucket(Bucket=self.bucket)
        except KeyError as error:
            raise StorageUnavailable(f"there is no bucket {self.bucket!r}") from error

    @cached_property
    def _outside(self) -> "S3Client":
        return _client(self.settings, self.settings.public_endpoint_url or self.settings.endpoint_url)


def _client(settings: S3Settings, endpoint_url: str | None) -> "S3Client":
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": settings.addressing_style},
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=5,
        read_timeout=60,
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value() if settings.secret_access_key else None,
        config=config,
    )


@contextmanager
def _answering(key: str) -> Iterator[None]:
    """Turns what boto3 raises into KeyError or StorageUnavailable."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code in ("404", "NoSuchKey", "NotFound"):
            raise KeyError(key) from error
        raise StorageUnavailable(f"the object store answered {code}") from error
    except (BotoCoreError, S3UploadFailedError) as error:
        raise StorageUnavailable("the object store does not answer") from error
