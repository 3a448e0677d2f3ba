"""Where pictures and videos lie: the small interface that a local folder and S3 both have.

A *key* is a relative path with `/`, made by this service alone, never by a caller; its ending tells the type of what
lies there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from typing import Protocol

INPUTS, VIDEOS, CHECKPOINTS = PLACES = ("inputs/", "videos/", "checkpoints/")  # below each, a folder per job
ATTEMPT_FOLDER = re.compile(r"videos/[^/]+/\d+-[0-9a-f]+/")

# The files a job may be given, each with the field of the request that holds its key.
INPUT_FILES = {
    "image.png": "image_key",
    "last_image.png": "last_image_key",
    "mask.png": "mask_key",
    "video.mp4": "video_key",
}


@dataclass(frozen=True)
class StoredObject:
    """What lies under a key."""

    size_bytes: int
    content_type: str
    etag: str


@dataclass(frozen=True)
class Listed:
    """An object in a list; `modified_at` in unix seconds, by the store's clock."""

    key: str
    size_bytes: int
    modified_at: float


class Storage(Protocol):
    """Every method may raise StorageUnavailable; reading what is not there raises KeyError with the key."""

    def put_bytes(self, key: str, data: bytes) -> None:
        """Store these bytes, all or nothing."""

    def put_file(self, key: str, path: Path) -> None:
        """Store the file at `path`, all or nothing."""

    def copy(self, source: str, key: str) -> None:
        """Store under `key` what lies under `source`, all or nothing."""

    def look(self, key: str) -> StoredObject:
        """Size, type and etag of what lies there."""

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from byte `start` on, in pieces."""

    def keys(self, prefix: str) -> Iterator[Listed]:
        """Everything whose key starts so, in no order; `prefix` is empty or ends with `/`."""

    def delete(self, key: str) -> None:
        """Remove this object; nothing there is no error."""

    def delete_prefix(self, prefix: str) -> None:
        """Remove everything whose key starts so; nothing there is no error."""

    def drop_unfinished(self, before: float) -> int:
        """Remove what broken uploads left that began before this unix second; how many there were."""

    def set_lifecycle(self) -> bool:
        """Have the store itself delete what nobody would miss. False where it has no such rules."""

    def free_bytes(self) -> int | None:
        """Room that is left, where that can be known."""

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """A link anybody can GET for a while, which saves under `filename`."""

    def check(self) -> None:
        """Find out whether the store answers."""


def content_type_of(key: str) -> str:
    """The media type that the ending of a key tells."""
    if key.endswith(".ts"):  # for some systems that is the source of a program
        return "video/mp2t"
    return guess_type(key)[0] or "application/octet-stream"


def input_key(job_id: str, name: str) -> str:
    """Where an input of a job lies; `name` is one of `INPUT_FILES`."""
    return f"{INPUTS}{job_id}/{name}"


def result_key(job_id: str, attempt: int, token: str, name: str) -> str:
    """Where an attempt puts what it made: no two attempts ever write to the same place."""
    return f"{VIDEOS}{job_id}/{attempt}-{token}/{name}"


def attempts_prefix(job_id: str) -> str:
    """Below this lies what was made, each attempt's in a folder of its own."""
    return f"{VIDEOS}{job_id}/"


def checkpoint_prefix(job_id: str) -> str:
    """Below this lies what a later attempt can go on from; it goes when the job has ended."""
    return f"{CHECKPOINTS}{job_id}/"


def job_prefixes(job_id: str) -> tuple[str, ...]:
    """Everything that belongs to a job lies under these."""
    return tuple(f"{place}{job_id}/" for place in PLACES)


def job_of(key: str) -> str:
    """Whose this object is, by its key."""
    return key.split("/")[1]


def is_leftover(key: str, video_key: str | None) -> bool:
    """Whether this object is of an attempt that did not make the ended job's video; None if there is none."""
    folder = ATTEMPT_FOLDER.match(key)
    return folder is not None and (video_key is None or not video_key.startswith(folder[0]))
