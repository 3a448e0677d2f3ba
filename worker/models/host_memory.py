"""The memory limit of this process: the memory of the machine, or the limit of its container if it is smaller."""

import os
from pathlib import Path

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def host_memory_bytes(limits: tuple[Path, ...] = LIMITS) -> int:
    """The limit in bytes; a limit file that cannot be read does not count."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in limits:
        try:
            sizes.append(int(path.read_text()))
        except (OSError, ValueError):  # another kind of container, or "max"
            continue
    return min(sizes)
