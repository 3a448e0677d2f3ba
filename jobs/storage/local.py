"""Storage in a folder of this machine, reached through signed links that the front end serves."""

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
UNFINISHED = ".unfinished-"  # how the name of a file begins while it is written
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


class LocalStorage:
    """Objects as files under `folder`. Links begin with `public_url` and are signed with `secret`."""

    def __init__(self, folder: Path, *, public_url: str, secret: bytes) -> None:
        self.folder = folder.resolve()
        self.public_url = public_url.rstrip("/")
        self.secret = secret

    def put_bytes(self, key: str, data: bytes) -> None:
        """Store these bytes, all or nothing."""
        self._put(key, lambda temporary: temporary.write_bytes(data))

    def put_file(self, key: str, path: Path) -> None:
        """Store a copy of the file at `path`, all or nothing."""
        self._put(key, lambda temporary: shutil.copyfile(path, temporary))

    def copy(self, source: str, key: str) -> None:
        """Store a copy, all or nothing. Raises KeyError."""

        def fill(temporary: Path) -> None:
            with temporary.open("wb") as copy:
                shutil.copyfileobj(file, copy)

        with self._open(source) as file:
            self._put(key, fill)

    def stat(self, key: str) -> StoredObject:
        """Size, type and etag of the file. Raises KeyError."""
        with self._open(key) as file:
            stat = os.fstat(file.fileno())
        etag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
        return StoredObject(stat.st_size, content_type_of(key), etag)

    def read(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """`length` bytes from byte `start` on, in pieces. Raises KeyError."""
        with self._open(key) as file:
            file.seek(start)
            while length > 0 and (piece := file.read(min(CHUNK_BYTES, length))):
                length -= len(piece)
                yield piece

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Every file below a folder; what is being written does not count."""
        for path, stat in _files(self._path(prefix.rstrip("/")) if prefix else self.folder):
            if not path.name.startswith(UNFINISHED):
                yield ListedObject(path.relative_to(self.folder).as_posix(), stat.st_size, stat.st_mtime)

    def delete(self, key: str) -> None:
        """Remove a file, and the folders that are empty without it."""
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
        """Remove a folder of objects."""
        shutil.rmtree(self._path(prefix.rstrip("/")), ignore_errors=True)

    def drop_unfinished(self, before: float) -> int:
        """Remove the beginnings of files whose writers died."""
        old = [
            path for path, stat in _files(self.folder) if path.name.startswith(UNFINISHED) and stat.st_mtime < before
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def set_lifecycle(self) -> bool:
        """A folder has no rules."""
        return False

    def free_bytes(self) -> int | None:
        """Room on the folder's disk."""
        with _writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self.folder).free

    def url(self, key: str, expires_in_s: int, filename: str) -> str:
        """A signed link to the front end."""
        return self.public_url + sign_path(self.secret, key, int(time.time()) + expires_in_s, filename)

    def check(self) -> None:
        """Whether the folder can be written."""
        with _writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f"{UNFINISHED}probe-{secrets.token_hex(4)}"
            probe.touch()
            probe.unlink()

    def _put(self, key: str, fill: Callable[[Path], object]) -> None:
        """Write beside the goal, flush to the disk, then rename: a reader sees the whole object or none."""
        goal = self._path(key)
        temporary = goal.with_name(f"{UNFINISHED}{goal.name}.{secrets.token_hex(4)}")
        try:
            with _writing():
                goal.parent.mkdir(parents=True, exist_ok=True)
                fill(temporary)
                _to_disk(temporary)
                temporary.rename(goal)
                _to_disk(goal.parent)
        finally:
            with suppress(OSError):  # gone by the rename, or never there
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
    """Turns what the disk says into StorageFull, StorageRefused or StorageUnavailable."""
    try:
        yield
    except OSError as error:
        kinds = {**dict.fromkeys(NO_ROOM, StorageFull), **dict.fromkeys(NOT_ALLOWED, StorageRefused)}
        kind = kinds.get(error.errno or 0, StorageUnavailable)
        raise kind(f"the storage folder cannot be written: {error.strerror}") from error


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file below `folder`; any of them, and their folders, may vanish while we look."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            with suppress(FileNotFoundError):
                yield path, path.lstat()


def _to_disk(path: Path) -> None:
    """What was written there survives a power cut; of a folder, the names in it."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
