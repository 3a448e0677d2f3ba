"""The spool: a folder of this worker's own where a video lies until it is stored; a dead worker's is cleared away."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

LOCK = "lock"


class Spool:
    """`folder` may be shared by many workers. What a worker that died left there goes when the next one starts."""

    def __init__(self, folder: Path, worker: str) -> None:
        self.folder = folder
        self.mine = folder / worker
        unlocked = folder / f".{worker}"  # others look at it under its final name only, when its lock is held
        unlocked.mkdir(parents=True)
        self._lock = _locked(unlocked / LOCK)
        unlocked.rename(self.mine)
        for other in folder.iterdir():
            if other != self.mine and not other.name.startswith("."):
                _clear_if_dead(other)

    def free_bytes(self) -> int:
        """Room on its disk."""
        return shutil.disk_usage(self.folder).free

    @contextmanager
    def attempt_dir(self) -> Iterator[Path]:
        """An empty folder for one attempt, gone afterwards."""
        folder = Path(mkdtemp(prefix="attempt-", dir=self.mine))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.mine, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(path: Path) -> int | None:
    """The lock file, open, locked until this process ends; None if another process has it."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number


def _clear_if_dead(folder: Path) -> None:
    try:
        lock = _locked(folder / LOCK)
    except (FileNotFoundError, NotADirectoryError):  # its worker is just leaving, or it is none
        return
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
