"""The spool: a folder of one worker for videos that are not stored yet. Folders of dead workers are deleted."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

LOCK = "lock"


class Spool:
    """A folder in `folder`, which workers share. A folder whose lock is free belongs to a dead worker."""

    def __init__(self, folder: Path, worker: str) -> None:
        self.folder = folder
        self.worker = worker
        self.own_dir = folder / worker
        unlocked = folder / f".{worker}"  # other workers ignore it until its lock is held
        unlocked.mkdir(parents=True)
        self._lock = _lock_file(unlocked / LOCK)
        unlocked.rename(self.own_dir)
        for other in folder.iterdir():
            if other != self.own_dir and not other.name.startswith("."):
                _clear_if_dead(other)

    def free_bytes(self) -> int:
        """Free bytes on its disk."""
        return shutil.disk_usage(self.folder).free

    @contextmanager
    def attempt_dir(self) -> Iterator[Path]:
        """Yields an empty folder for one attempt and deletes it afterwards."""
        folder = Path(mkdtemp(prefix="attempt-", dir=self.own_dir))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Deletes the folder of this worker and releases its lock."""
        shutil.rmtree(self.own_dir, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock_file(path: Path) -> int | None:
    """Opens and locks the file until this process ends; None if another process holds the lock."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number


def _clear_if_dead(folder: Path) -> None:
    try:
        lock = _lock_file(folder / LOCK)
    except (FileNotFoundError, NotADirectoryError):  # its worker is closing it, or it is no spool
        return
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
