"""Named places where a test may have this process end as if by SIGKILL; in production none is armed.

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
_armed: set[str] = set()


def arm(name: str | None) -> None:
    """Have the process end when it comes to the point of this name. ValueError if there is none."""
    if name is None:
        return
    if name not in NAMES:
        raise ValueError(f"crash_point must be one of {', '.join(NAMES)}, got {name!r}")
    _armed.add(name)


def crash_point(name: str) -> None:
    """Nothing, unless this point is armed."""
    if name in _armed:
        os.kill(os.getpid(), signal.SIGKILL)
