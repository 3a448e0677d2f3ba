"""Where pictures and videos lie: the small interface that a local folder and S3 both have.

A *key* is a relative path with `/`, made by this service alone, never by a caller; its ending tells the type of what
lies there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """What lies under a key."""

    size_bytes: int
    content_type: str
    etag: str


@dataclass(frozen=True)
class ListedObject:
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

    def stat(self, key: str) -> StoredObject:
        """Size, type and etag of what lies there."""

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from byte `start` on, in pieces."""

    def list(self, prefix: str) -> Iterator[ListedObject]:
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
