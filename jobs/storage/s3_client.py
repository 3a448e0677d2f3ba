"""The boto3 client of a bucket: addressing style, timeouts, retries and checksums of uploads.

Every upload carries a checksum that the store verifies. At AWS it is SHA-256. Elsewhere it is Content-MD5, the only one
that all stores verify. By default, newer AWS SDKs send CRC32 in a trailer of an `aws-chunked` body. Other stores refuse
such a body, or store the trailer as part of the object.
"""

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from jobs.loopback import is_loopback_url
from jobs.settings import S3Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
CHECKED_BY_MD5 = ("PutObject", "UploadPart", "PutBucketLifecycleConfiguration")
CHUNK_BYTES = 1 << 20


def open_client(
    settings: S3Settings, endpoint_url: str | None, *, tries: int = 4, timeout_s: float = 60.0
) -> "S3Client":
    """Opens a client with at most `tries` tries per request, each with a timeout of `timeout_s`."""
    by_sha256 = upload_checksum(settings) == "sha256"
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": settings.addressing_style},
        retries={"mode": "standard", "total_max_attempts": tries},
        connect_timeout=min(5.0, timeout_s),
        read_timeout=timeout_s,
        request_checksum_calculation="when_supported" if by_sha256 else "when_required",
        response_checksum_validation="when_supported" if by_sha256 else "when_required",
        proxies={} if is_loopback_url(endpoint_url) else None,  # None: those of the environment
    )
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value() if settings.secret_access_key else None,
        aws_session_token=settings.session_token.get_secret_value() if settings.session_token else None,
        config=config,
    )
    if not by_sha256:
        for operation in CHECKED_BY_MD5:
            client.meta.events.register(f"before-call.s3.{operation}", _add_md5)
    return client


def upload_checksum(settings: S3Settings) -> str:
    """Returns the checksum of uploads to this store: `sha256` or `md5`."""
    if settings.checksum != "auto":
        return settings.checksum
    host = urlsplit(settings.endpoint_url or "").hostname
    return "sha256" if host is None or host.endswith(AWS_HOSTS) else "md5"


def _add_md5(params: dict[str, Any], **_: Any) -> None:
    """Adds the digest of the body to the headers, before the request is signed."""
    body = params["body"]
    digest = hashlib.md5(body, usedforsecurity=False) if isinstance(body, bytes | bytearray) else _md5_of(body)
    params["headers"]["Content-MD5"] = b64encode(digest.digest()).decode()


def _md5_of(file: BinaryIO) -> "hashlib._Hash":
    start, digest = file.tell(), hashlib.md5(usedforsecurity=False)
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    file.seek(start)
    return digest
