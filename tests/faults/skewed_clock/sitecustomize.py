"""A wall clock that a test can skew. Python imports this module at its start if PYTHONPATH contains this folder.

The file named by SKEWED_CLOCK holds one float64: the error of the clock in seconds. Monotonic time stays correct.
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
    _skew = mmap.mmap(file.fileno(), 8)


def now_s() -> float:
    return _time() + float(struct.unpack("d", _skew[:8])[0])


class _DatetimeType(type(_datetime)):  # type: ignore[misc]
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, _datetime)


class SkewedDatetime(_datetime, metaclass=_DatetimeType):
    """Replaces `datetime.datetime` in this process."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return _datetime.fromtimestamp(now_s(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _datetime.fromtimestamp(now_s(), datetime.UTC).replace(tzinfo=None)


time.time = now_s
time.time_ns = lambda: int(1e9 * now_s())
datetime.datetime = SkewedDatetime  # type: ignore[misc]
