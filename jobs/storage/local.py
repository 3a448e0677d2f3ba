"""Storage in a local folder, with signed links that the front end serves."""

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from jobs.errors import StorageFull, StorageRefused, StorageUnavailable
from jobs.storage.interface import ListedObject, StoredObject
from jobs.storage.paths import content_type_of
from jobs.storage.signed_urls import sign_path

CHUNK_BYTES = 1 << 18
UNFINISHED = ".unfinished-"  # prefix of the name of a file that is being written
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


class LocalStorage:
    """Objects as files in `folder`. Links begin with `public_url` and are signed with `secret`.

    They expire by `clock`, in unix seconds.
    """

    def __init__(self, folder: Path, *, public_url: str, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder.resolve()
        self.public_url = public_url.rstrip("/")
        self.secret = secret
        self.clock = clock

    def put_bytes(self, key: str, data: bytes) -> None:
        """Stores these bytes, all or nothing."""
        self._put(key, lambda temporary: temporary.write_bytes(data))

    def put_file(self, key: str, path: Path) -> None:
        """Stores a copy of the file at `path`, all or nothing."""
        self._put(key, lambda temporary: shutil.copyfile(path, temporary))

    def copy(self, source: str, key: str) -> None:
        """Stores a copy, all or nothing. Raises KeyError."""

        def fill(temporary: Path) -> None:
            with temporary.open("wb") as copy:
                shutil.copyfileobj(file, copy)

        with self._open(source) as file:
            self._put(key, fill)

    def stat(self, key: str) -> StoredObject:
        """Returns size, type and etag of the file. Raises KeyError."""
        with self._open(key) as file:
            stat = os.fstat(file.fileno())
        etag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
        return StoredObject(stat.st_size, content_type_of(key), etag)

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Yields `length` bytes from byte `start` on, in chunks. Raises KeyError."""
        with self._open(key) as file:
            file.seek(start)
            while length > 0 and (chunk := file.read(min(CHUNK_BYTES, length))):
                length -= len(chunk)
                yield chunk

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Lists the files below a folder, without those that are being written."""
        for path, stat in _files(self._path(prefix.rstrip("/")) if prefix else self.folder):
            if not path.name.startswith(UNFINISHED):
                yield ListedObject(path.relative_to(self.folder).as_posix(), stat.st_size, stat.st_mtime)

    def delete(self, key: str) -> None:
        """Deletes a file and its parent folders that are empty afterwards."""
        path = self._path(key)
        with _writing(), suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            path.unlink()
        for folder in path.parents:
            if folder == self.folder:
                return
            try:
                folder.rmdir()
            except OSError:  # not empty
                return

    def delete_prefix(self, prefix: str) -> None:
        """Deletes a folder of objects."""
        shutil.rmtree(self._path(prefix.rstrip("/")), ignore_errors=True)

    def drop_unfinished(self, before: float) -> int:
        """Deletes unfinished files of processes that died."""
        old = [
            path for path, stat in _files(self.folder) if path.name.startswith(UNFINISHED) and stat.st_mtime < before
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def set_lifecycle(self) -> bool:
        """Returns False: a folder has no rules."""
        return False

    def free_bytes(self) -> int | None:
        """Returns the free space of the folder's disk."""
        with _writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self.folder).free

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """Returns a signed link to the front end."""
        return self.public_url + sign_path(self.secret, key, int(self.clock()) + expires_in_s, filename)

    def check(self) -> None:
        """Raises StorageUnavailable if the folder cannot be written."""
        with _writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f"{UNFINISHED}probe-{secrets.token_hex(4)}"
            probe.touch()
            probe.unlink()

    def _put(self, key: str, fill: Callable[[Path], object]) -> None:
        """Writes a temporary file, flushes it to disk and renames it: a reader sees the whole object or none."""
        target = self._path(key)
        temporary = target.with_name(f"{UNFINISHED}{target.name}.{secrets.token_hex(4)}")
        try:
            with _writing():
                target.parent.mkdir(parents=True, exist_ok=True)
                fill(temporary)
                _to_disk(temporary)
                temporary.rename(target)
                _to_disk(target.parent)
        finally:
            with suppress(OSError):  # renamed, or never created
                temporary.unlink()

    def _open(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise KeyError(key) from None

    def _path(self, key: str) -> Path:
        path = (self.folder / key).resolve()
        if not path.is_relative_to(self.folder) or path == self.folder:
            raise KeyError(key)
        return path


@contextmanager
def _writing() -> Iterator[None]:
    """Translates an OSError to StorageFull, StorageRefused or StorageUnavailable."""
    try:
        yield
    except OSError as error:
        kinds = {**dict.fromkeys(NO_SPACE, StorageFull), **dict.fromkeys(NOT_ALLOWED, StorageRefused)}
        kind = kinds.get(error.errno or 0, StorageUnavailable)
        raise kind(f"the storage folder cannot be written: {error.strerror}") from error


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yields every file below `folder`; files and folders may be deleted during the walk."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            with suppress(FileNotFoundError):
                yield path, path.lstat()


def _to_disk(path: Path) -> None:
    """Flushes a file, or the names in a folder, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
