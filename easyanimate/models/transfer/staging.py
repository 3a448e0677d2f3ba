"""A hidden folder in the models folder for a model in transfer, and the rename that publishes it."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from easyanimate.errors import InvalidInput
from easyanimate.models.errors import ModelStoreError

LORA_FOLDER = "loras"  # the folder of LoRA files
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SPARE_BYTES = 64 << 20


def check_name(name: str) -> None:
    """InvalidInput unless `name` is a valid name of a model and of a folder."""
    if not _NAME.fullmatch(name) or name == LORA_FOLDER:
        raise InvalidInput(
            f"{name!r} cannot be a model's name; use up to 100 letters, digits, dots, dashes and underscores, "
            f"a letter or digit first, and not {LORA_FOLDER!r}"
        )


def check_name_is_free(models_dir: Path, name: str, *, force: bool) -> None:
    """ModelStoreError if there is a model `name` and `force` does not allow to replace it."""
    if not force and os.path.lexists(models_dir / name):
        raise ModelStoreError(f"{models_dir / name} exists already; use --force to replace it, or another --name")


def ensure_disk_space(models_dir: Path, needed_bytes: int) -> None:
    """Creates `models_dir` if necessary. ModelStoreError if its disk has not `needed_bytes` free."""
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(models_dir).free
    except OSError as problem:
        raise _as_store_error(problem, models_dir) from problem
    if free < needed_bytes + _SPARE_BYTES:
        raise ModelStoreError(
            f"not enough disk space in {models_dir}: "
            f"{needed_bytes / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free"
        )


@contextmanager
def staging_folder(models_dir: Path, name: str, kind: str, *, force: bool, keep: bool) -> Iterator[Path]:
    """The folder `.KIND-NAME`, which is renamed to `models_dir/name` if the block succeeds.

    Otherwise it is deleted, or with `keep` left for the next attempt. A folder of a killed process is reused: kept, or
    emptied. Only one process can hold it; the second one gets a ModelStoreError.
    """
    folder, target = models_dir / f".{kind}-{name}", models_dir / name
    lock = _lock(folder)
    try:
        if not keep:
            _clear(folder)
        yield folder
        check_name_is_free(models_dir, name, force=force)
        _move(folder, target)
    except OSError as problem:
        raise _as_store_error(problem, models_dir) from problem
    finally:
        if not keep and folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int:
    """An open, locked descriptor of `folder`, which is created if necessary. The lock ends with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as problem:
        raise _as_store_error(problem, folder.parent) from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not folder.exists() or folder.stat().st_ino != os.fstat(descriptor).st_ino:
            raise BlockingIOError  # the other process has finished
    except OSError as problem:
        os.close(descriptor)
        raise ModelStoreError(f"another process is using {folder}; wait for it, then try again") from problem
    return descriptor


def _clear(folder: Path) -> None:
    for child in folder.iterdir():
        shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()


def _move(folder: Path, target: Path) -> None:
    """Renames `folder` to `target`. An existing target is moved aside first and then deleted, or restored on error."""
    if not os.path.lexists(target):
        folder.rename(target)
        return
    old = target.with_name(f".replaced-{target.name}")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    try:
        folder.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()


def _as_store_error(problem: OSError, models_dir: Path) -> ModelStoreError:
    if problem.errno == errno.ENOSPC:
        return ModelStoreError(f"the disk under {models_dir} is full; free some space, then try again")
    return ModelStoreError(f"{models_dir} cannot be written to: {problem}")
