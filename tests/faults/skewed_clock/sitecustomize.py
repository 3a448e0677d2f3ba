"""A wall clock that a test can skew. Python imports this module at its start if PYTHONPATH contains this folder.

The file named by SKEWED_CLOCK holds a float64, the error of the clock in seconds, and an int64. The second one counts
the times that were read with an error; two processes may count one of them once. Monotonic time stays correct.
"""

import datetime
import mmap
import os
import struct
import time
from pathlib import Path
from typing import Any

_time, _datetime = time.time, datetime.datetime
with Path(os.environ["SKEWED_CLOCK"]).open("r+b") as file:
    _skew = mmap.mmap(file.fileno(), 16)


def now_s() -> float:
    """Unix seconds of the skewed clock; counts the calls while the clock is skewed."""
    seconds, count = struct.unpack("dq", _skew[:16])
    if seconds:
        _skew[8:16] = struct.pack("q", count + 1)
    return _time() + float(seconds)


class _DatetimeType(type(_datetime)):  # type: ignore[misc]
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, _datetime)


class SkewedDatetime(_datetime, metaclass=_DatetimeType):
    """Replaces `datetime.datetime` in this process."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        """The present time of the skewed clock in a time zone."""
        return cls.fromtimestamp(now_s(), tz)  # of this class: cryptography accepts no other

    @classmethod
    def utcnow(cls) -> Any:
        """The present time of the skewed clock in UTC, without a time zone."""
        return cls.fromtimestamp(now_s(), datetime.UTC).replace(tzinfo=None)


time.time = now_s
time.time_ns = lambda: int(1e9 * now_s())
datetime.datetime = SkewedDatetime  # type: ignore[misc]
