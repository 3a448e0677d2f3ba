"""Durable writes: content that survives a loss of power."""

import os
from pathlib import Path


def to_disk(path: Path) -> None:
    """Flushes a file, or the names in a folder, to the disk, so that they survive a loss of power. Raises OSError."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
