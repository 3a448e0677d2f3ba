"""How much memory this process may have: that of the machine, or of its container if that is less."""

import os
from pathlib import Path

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def host_memory_bytes(limits: tuple[Path, ...] = LIMITS) -> int:
    """Bytes; a limit that cannot be read is none."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in limits:
        try:
            found.append(int(path.read_text()))
        except (OSError, ValueError):  # no such kind of container, or "max"
            continue
    return min(found)
