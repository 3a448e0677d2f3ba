"""Named points at which a test can kill or hold this process; in production no folder is watched.

A test names a folder. The first process that reaches a point removes the file of that name from it. If the file is
empty, the process ends as if by SIGKILL. Otherwise the thread waits until the test deletes the file with `.held` added
to its name; other threads continue.

| name | state at this point |
|---|---|
| worker.leased | the job is leased, nothing is done yet |
| worker.fetched | its inputs and its last checkpoint are downloaded |
| worker.made | the video is in the spool |
| worker.uploaded | the video is in storage, the record is unchanged |
| worker.committed | the record is committed, the spool is not cleaned |
| checkpoint.stored | a checkpoint is in storage |
| keeper.found | a lost job is detected, nothing is changed |
| keeper.recovered | the lost job is queued again |
| preemption.requested | a keeper has asked a running job to give its worker to an urgent one |
| preemption.stopped | a preempted job has stopped, its checkpoint is in storage, its record is unchanged |
| window.stored | a window is in storage, it is not in the index |
| preemption.returned | a preempted job is queued again, the urgent job is not leased yet |
"""

import os
import signal
import time
from pathlib import Path

POLL_S = 0.02
_watched: list[Path] = []


def watch_folder(folder: Path | None) -> None:
    """Watches `folder` from now on; None in production."""
    if folder is not None:
        _watched[:] = [folder]


def crash_point(name: str) -> None:
    """Kills or holds this process if the watched folder has a file of this name."""
    for folder in _watched:
        _trigger(folder / name)


def _trigger(file: Path) -> None:
    held = file.with_name(f"{file.name}.held")
    try:
        file.rename(held)
    except FileNotFoundError:
        return
    if not held.stat().st_size:
        held.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    while held.exists():
        time.sleep(POLL_S)
