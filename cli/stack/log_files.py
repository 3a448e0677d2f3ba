"""Log files of child processes: two files of bounded size for each."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 10 << 20


def rotate_log(path: Path, max_bytes: int = MAX_BYTES) -> None:
    """Copies a log of more than `max_bytes` to `NAME.1` and empties it. The process keeps its file open.

    Lines that are written at the same moment may be lost. If the copy cannot be written, the log is emptied.
    """
    if not path.exists() or path.stat().st_size <= max_bytes:
        return
    older = path.with_name(f"{path.name}.1")
    try:
        shutil.copyfile(path, older)
    except OSError:  # the disk is full
        with suppress(OSError):
            older.unlink(missing_ok=True)
    os.truncate(path, 0)
