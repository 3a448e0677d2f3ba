"""The interface of the object store, implemented by a local folder and by S3.

A *key* is a relative path with `/`, created by this service alone, never by a caller. Its suffix is that of the content
type.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """Size, type and etag of an object."""

    size_bytes: int
    content_type: str
    etag: str


@dataclass(frozen=True)
class ListedObject:
    """An object in a listing; `modified_at` in unix seconds, by the store's clock."""

    key: str
    size_bytes: int
    modified_at: float


class Storage(Protocol):
    """Every method may raise StorageUnavailable; reading a missing object raises KeyError with the key."""

    def put_bytes(self, key: str, data: bytes) -> None:
        """Stores these bytes, all or nothing."""

    def put_file(self, key: str, path: Path) -> None:
        """Stores the file at `path`, all or nothing."""

    def copy(self, source: str, key: str) -> None:
        """Copies the object `source` to `key`, all or nothing."""

    def stat(self, key: str) -> StoredObject:
        """Returns size, type and etag of an object."""

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Yields `length` bytes from byte `start` on, in chunks."""

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Lists the objects whose keys start with `prefix`, in no order; it is empty or ends with `/`."""

    def delete(self, key: str) -> None:
        """Deletes this object; a missing one is no error."""

    def delete_prefix(self, prefix: str) -> None:
        """Deletes the objects whose keys start with `prefix`; none is no error."""

    def drop_unfinished(self, before: float) -> int:
        """Deletes unfinished uploads that began before this unix second; returns their number."""

    def set_lifecycle(self) -> bool:
        """Sets rules by which the store itself deletes unneeded objects. False if it has no such rules."""

    def free_bytes(self) -> int | None:
        """Returns the free space, or None if it is unknown."""

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """Returns a link that allows a GET without a key for a while and is saved as `filename`."""

    def check(self) -> None:
        """Raises StorageUnavailable if the store does not answer."""


def download_to(storage: Storage, key: str, path: Path) -> None:
    """Writes a whole object to `path`. Raises KeyError."""
    with path.open("wb") as file:
        file.writelines(storage.read(key, 0, storage.stat(key).size_bytes))


def read_all(storage: Storage, key: str) -> bytes:
    """Reads a whole object into memory. Raises KeyError."""
    return b"".join(storage.read(key, 0, storage.stat(key).size_bytes))
