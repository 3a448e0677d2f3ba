"""Where pictures and videos lie: the small interface that a local folder and S3 both have.

A *key* is a relative path with `/`, made by this service alone, never by a caller; its ending tells the type of what
lies there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """What lies under a key."""

    size_bytes: int
    content_type: str
    etag: str


class Storage(Protocol):
    """Every method may raise StorageUnavailable; reading what is not there raises KeyError with the key."""

    def put_bytes(self, key: str, data: bytes) -> None:
        """Store these bytes, all or nothing."""

    def put_file(self, key: str, path: Path) -> None:
        """Store the file at `path`, all or nothing."""

    def look(self, key: str) -> StoredObject:
        """Size, type and etag of what lies there."""

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from byte `start` on, in pieces."""

    def delete_prefix(self, prefix: str) -> None:
        """Remove everything whose key starts so; nothing there is no error."""

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """A link anybody can GET for a while, which saves under `filename`."""

    def check(self) -> None:
        """Find out whether the store answers."""


def content_type_of(key: str) -> str:
    """The media type that the ending of a key tells."""
    return guess_type(key)[0] or "application/octet-stream"


def image_key(job_id: str) -> str:
    """Where the start image of a job lies."""
    return f"inputs/{job_id}/image.png"


def video_key(job_id: str, attempt: int, token: str) -> str:
    """Where an attempt puts its video: no two attempts ever write to the same place."""
    return f"videos/{job_id}/{attempt}-{token}/video.mp4"


def job_prefixes(job_id: str) -> tuple[str, str]:
    """Everything that belongs to a job lies under these."""
    return f"inputs/{job_id}/", f"videos/{job_id}/"
