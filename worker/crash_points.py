"""Named places where a test may have this process end as if by SIGKILL, or wait; in production none is watched.

A test gives a folder. A file in it that bears the name of a point is for the first process that comes there, which
takes it away. If there is something in the file, the process does not end but waits until the file that is there in its
place, with `.held` behind the name, is gone; its other threads go on.

| name | just before it |
|---|---|
| worker.leased | the job is ours, nothing is done yet |
| worker.fetched | its inputs and an earlier checkpoint are here |
| worker.made | the video lies in the spool |
| worker.uploaded | it is in storage, but nobody knows |
| worker.committed | the record says so, nothing is tidied up |
| checkpoint.stored | a checkpoint is in storage |
| keeper.found | a lost job was found, nothing is done about it |
| keeper.recovered | it waits again |
"""

import os
import signal
import time
from pathlib import Path

NAMES = (
    "worker.leased",
    "worker.fetched",
    "worker.made",
    "worker.uploaded",
    "worker.committed",
    "checkpoint.stored",
    "keeper.found",
    "keeper.recovered",
)
LOOK_EVERY_S = 0.02
_watched: list[Path] = []


def watch_folder(folder: Path | None) -> None:
    """From now on look for files in `folder`; None for production."""
    if folder is not None:
        _watched[:] = [folder]


def crash_point(name: str) -> None:
    """Nothing, unless a folder is watched and there is a file of this name."""
    for folder in _watched:
        _meet(folder / name)


def _meet(file: Path) -> None:
    held = file.with_name(f"{file.name}.held")
    try:
        file.rename(held)
    except FileNotFoundError:
        return
    if not held.stat().st_size:
        held.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    while held.exists():
        time.sleep(LOOK_EVERY_S)
