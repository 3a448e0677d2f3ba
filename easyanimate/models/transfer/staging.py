"""A hidden folder beside the models in which one is built, and the one step that makes it appear among them."""

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

LORA_FOLDER = "loras"  # the folder of adapters on the shelf
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SPARE_BYTES = 64 << 20


def check_name(name: str) -> None:
    """InvalidInput unless `name` can be a model's name, and so a folder's."""
    if not _NAME.fullmatch(name) or name == LORA_FOLDER:
        raise InvalidInput(
            f"{name!r} cannot be a model's name; use up to 100 letters, digits, dots, dashes and underscores, "
            f"a letter or digit first, and not {LORA_FOLDER!r}"
        )


def check_name_is_free(models_dir: Path, name: str, *, force: bool) -> None:
    """ModelStoreError if there is a model `name` already, and it may not be replaced (`force`)."""
    if not force and os.path.lexists(models_dir / name):
        raise ModelStoreError(f"{models_dir / name} is there already; use --force to replace it, or another --name")


def ensure_disk_space(models_dir: Path, needed_bytes: int) -> None:
    """Make `models_dir` if it is not there; ModelStoreError if its disk cannot take `needed_bytes` more."""
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(models_dir).free
    except OSError as problem:
        raise _as_store_error(problem, models_dir) from problem
    if free < needed_bytes + _SPARE_BYTES:
        raise ModelStoreError(
            f"not enough room in {models_dir}: {needed_bytes / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB are free"
        )


@contextmanager
def staging_folder(models_dir: Path, name: str, kind: str, *, force: bool, keep: bool) -> Iterator[Path]:
    """The folder `.KIND-NAME`, which becomes `models_dir/name` if the block ends well.

    Otherwise it is removed, or with `keep` left for the next try. What a killed process left behind is taken over:
    kept, or cleared. One process at a time; ModelStoreError for the second.
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
    """An open, locked descriptor of `folder`, made if need be; the lock goes with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as problem:
        raise _as_store_error(problem, folder.parent) from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not folder.exists() or folder.stat().st_ino != os.fstat(descriptor).st_ino:
            raise BlockingIOError  # the other process finished just now
    except OSError as problem:
        os.close(descriptor)
        raise ModelStoreError(f"another process is at work in {folder}; wait for it, then try again") from problem
    return descriptor


def _clear(folder: Path) -> None:
    for child in folder.iterdir():
        shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()


def _move(folder: Path, target: Path) -> None:
    """Rename `folder` to `target`; what is there is moved aside first, back if that fails, and then removed."""
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
        return ModelStoreError(f"the disk under {models_dir} is full; make room, then try again")
    return ModelStoreError(f"{models_dir} cannot be written to: {problem}")
