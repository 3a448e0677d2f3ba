"""The boto3 client of a bucket: how it is addressed, how long it waits, and how uploads are checked on arrival.

Every upload carries a checksum that the store compares with what came in. At AWS that is SHA-256. Elsewhere it is
Content-MD5, the oldest and only one that all stores check: newer AWS SDKs by themselves send CRC32 in a trailer of a
body in `aws-chunked` coding, which stores that do not know it refuse, or keep as part of the object.
"""

import hashlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from jobs.settings import S3Settings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
CHECKED_BY_MD5 = ("PutObject", "UploadPart", "PutBucketLifecycleConfiguration")
PIECE_BYTES = 1 << 20


def open_client(
    settings: S3Settings, endpoint_url: str | None, *, tries: int = 4, timeout_s: float = 60.0
) -> "S3Client":
    """A client that makes so many `tries` where another may help, and waits `timeout_s` for each answer."""
    by_sha256 = upload_checksum(settings) == "sha256"
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": settings.addressing_style},
        retries={"mode": "standard", "total_max_attempts": tries},
        connect_timeout=min(5.0, timeout_s),
        read_timeout=timeout_s,
        request_checksum_calculation="when_supported" if by_sha256 else "when_required",
        response_checksum_validation="when_supported" if by_sha256 else "when_required",
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
    """`sha256` or `md5`: what uploads to this store are checked by."""
    if settings.checksum != "auto":
        return settings.checksum
    host = urlsplit(settings.endpoint_url or "").hostname
    return "sha256" if host is None or host.endswith(AWS_HOSTS) else "md5"


def _add_md5(params: dict[str, Any], **_: Any) -> None:
    """Put the digest of the body into the headers of a request that is about to be signed."""
    body = params["body"]
    digest = hashlib.md5(body, usedforsecurity=False) if isinstance(body, bytes | bytearray) else _md5_of(body)
    params["headers"]["Content-MD5"] = b64encode(digest.digest()).decode()


def _md5_of(file: BinaryIO) -> "hashlib._Hash":
    start, digest = file.tell(), hashlib.md5(usedforsecurity=False)
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
    file.seek(start)
    return digest
