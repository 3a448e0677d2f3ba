"""What outlives a loss of power."""

import os
from pathlib import Path


def to_disk(path: Path) -> None:
    """Return when what was written to a file, or the names in a folder, would outlive a power cut. Raises OSError."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
