"""Ends a child process together with its parent, even if the parent is killed."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here, not between fork and exec


def die_with_parent(how: signal.Signals = signal.SIGKILL) -> None:
    """Makes Linux send the signal `how` to this process when the thread that started it ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(how))
