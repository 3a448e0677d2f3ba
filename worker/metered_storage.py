"""An object store whose operations are measured: durations, failures and bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.errors import StorageUnavailable
from jobs.storage.interface import ListedObject, Storage, StoredObject
from jobs.storage.paths import FOLDERS
from worker import metrics


class MeteredStorage:
    """Passes each operation on to `storage`. A missing object is not a failure."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def put_bytes(self, key: str, data: bytes) -> None:
        """Stores these bytes."""
        with _measured("put"):
            self.storage.put_bytes(key, data)
        _count_bytes("upload", key, len(data))

    def put_file(self, key: str, path: Path) -> None:
        """Stores the file at `path`."""
        size_bytes = path.stat().st_size
        with _measured("put"):
            self.storage.put_file(key, path)
        _count_bytes("upload", key, size_bytes)

    def copy(self, source: str, key: str) -> None:
        """Copies the object `source` to `key`."""
        with _measured("copy"):
            self.storage.copy(source, key)

    def stat(self, key: str) -> StoredObject:
        """Returns size, type and etag of an object."""
        with _measured("stat"):
            return self.storage.stat(key)

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Yields `length` bytes from byte `start` on. The duration includes the work of the reader between chunks."""
        with _measured("read"):
            for chunk in self.storage.read(key, start, length):
                _count_bytes("download", key, len(chunk))
                yield chunk

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Lists the objects whose keys start with `prefix`, with the same duration."""
        with _measured("list"):
            yield from self.storage.list(prefix)

    def delete(self, key: str) -> None:
        """Deletes this object."""
        with _measured("delete"):
            self.storage.delete(key)

    def delete_prefix(self, prefix: str) -> None:
        """Deletes the objects whose keys start with `prefix`."""
        with _measured("delete"):
            self.storage.delete_prefix(prefix)

    def drop_unfinished(self, before: float) -> int:
        """Deletes unfinished uploads that began before this unix second."""
        with _measured("delete"):
            return self.storage.drop_unfinished(before)

    def set_lifecycle(self) -> bool:
        """Sets rules by which the store itself deletes unneeded objects."""
        return self.storage.set_lifecycle()

    def free_bytes(self) -> int | None:
        """Returns the free space, or None if it is unknown."""
        return self.storage.free_bytes()

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """Returns a link to the object."""
        return self.storage.url(key, expires_in_s, filename)

    def check(self) -> None:
        """Raises StorageUnavailable if the store does not answer."""
        with _measured("check"):
            self.storage.check()


@contextmanager
def _measured(operation: str) -> Iterator[None]:
    try:
        with metrics.STORAGE_REQUESTS.labels(operation).time():
            yield
    except StorageUnavailable:
        metrics.STORAGE_FAILURES.labels(operation).inc()
        raise


def _count_bytes(direction: str, key: str, size_bytes: int) -> None:
    folder = key.partition("/")[0]
    metrics.STORAGE_BYTES.labels(direction, folder if f"{folder}/" in FOLDERS else "other").inc(size_bytes)
