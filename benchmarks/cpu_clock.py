"""The CPU time of another process, read from its own clock. It includes the ended threads."""

import time


def cpu_us(pid: int) -> float:
    """User and system time of a running process in microseconds. Linux derives the clock id from the process id."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1000
