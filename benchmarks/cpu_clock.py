"""How much CPU another process has used: in nanoseconds by its own clock, and with what its ended threads took."""

import time


def cpu_us(pid: int) -> float:
    """Microseconds of user and system time of a running process (Linux: the clock whose number is made of its id)."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1000
