"""The free space of the data folder: a full disk is named before the start, and when a process has ended."""

import shutil
from pathlib import Path

FULL_BYTES = 16 << 20  # with less, Redis and logs cannot be written for long
NO_SPACE = "No space left on device"  # the text of ENOSPC in the output of a program


def missing_space(folder: Path, needed_bytes: int) -> str | None:
    """A sentence if the disk of `folder` has less than `needed_bytes` free, else None."""
    free_bytes = shutil.disk_usage(_existing(folder)).free
    if free_bytes >= needed_bytes:
        return None
    return f"the disk of {folder} has {free_bytes / 1e6:.0f} MB free, {needed_bytes / 1e6:.0f} MB are needed"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def is_full(folder: Path, output: str) -> bool:
    """Whether the disk of `folder` is full, or the `output` of a program says so of another one."""
    return NO_SPACE in output or shutil.disk_usage(folder).free < FULL_BYTES
