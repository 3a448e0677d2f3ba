"""Limits of the process of one file: it can open no file and no socket, start no process, and gain no rights.

No privileges are needed. What it has opened before remains open.
"""

import ctypes
import os
import resource
import signal
from pathlib import Path

from easyanimate.media.probe.system_calls import restrict_system_calls

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
NICENESS = 5  # the front end comes first
_libc = ctypes.CDLL(None)  # loaded here, since a limited process cannot


def limit_process(memory_bytes: int, cpu_s: int) -> None:
    """Limits this process to `memory_bytes` more than it has now and `cpu_s` seconds of processor time.

    Beyond the first it gets MemoryError, beyond the second SIGXCPU.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.nice(NICENESS)
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 0,
    }
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    for which, limit in limits.items():
        resource.setrlimit(which, (limit, limit))
    restrict_system_calls()


def end_with_parent() -> None:
    """Makes Linux kill this process when its parent ends."""
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of the descendants that lose theirs."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
