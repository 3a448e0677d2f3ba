"""The end of a worker: how long a running job may go on after it was told to stop."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from jobs.errors import QueueUnavailable


class Drain:
    """Begins with the first signal; a second one ends the patience."""

    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s
        self._deadline: float | None = None

    def begin(self) -> None:
        """A signal came. Safe in a signal handler."""
        grace_s = self.grace_s if self._deadline is None else 0.0
        self._deadline = time.monotonic() + grace_s

    @property
    def remaining_s(self) -> float:
        """How long a running job may still go on; without a signal, for ever."""
        return float("inf") if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def has_begun(self) -> bool:
        """Whether no further job shall be taken."""
        return self._deadline is not None

    @property
    def is_over(self) -> bool:
        """Whether the running job must go back now."""
        return self.remaining_s == 0.0


log = structlog.get_logger()


T = TypeVar("T")


PAUSE_S = 0.5


def retry_until_drained(call: Callable[[], T], drain: Drain) -> T:
    """What `call` answers, when Redis answers. Raises QueueUnavailable only when the worker has to go."""
    while True:
        try:
            return call()
        except QueueUnavailable:
            log.warning("redis.away")
            if drain.is_over:
                raise
            time.sleep(PAUSE_S)
