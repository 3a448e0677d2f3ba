"""The log of keys that hold a value of another type: one line for each place in the code, from time to time."""

import time
import traceback
from pathlib import Path
from threading import Lock

import structlog

from jobs.redis.refusals import reason_of

log = structlog.get_logger()

LOG_INTERVAL_S = 300.0  # for the same place: a keeper meets the key each second
CONNECTION = Path(__file__).with_name("connection.py")


class WrongTypeLog:
    """Logs where such a key was read, since Redis does not name it. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._logged_at: dict[str, float] = {}

    def write(self, error: Exception) -> None:
        """Logs the reply of Redis with the place that sent the command."""
        place, now = _place(error), time.monotonic()
        with self._lock:
            if now - self._logged_at.get(place, float("-inf")) < LOG_INTERVAL_S:
                return
            self._logged_at[place] = now
        log.error("redis.wrong_type", reason=reason_of(error), called_by=place)


def _place(error: Exception) -> str:
    """The file and the line of the block in `redis_errors` in which the error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((frame for frame in frames if Path(frame.filename) != CONNECTION), frames[-1])
    return f"{frame.filename}:{frame.lineno}"


WRONG_TYPES = WrongTypeLog()
