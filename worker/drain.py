"""Draining of a worker: the grace period of its running job after a signal or a request to stop."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from jobs.errors import QueueUnavailable

log = structlog.get_logger()
T = TypeVar("T")
PAUSE_S = 0.5


class Drain:
    """The grace period: it begins with the first signal or request, and ends early with a second signal."""

    def __init__(self, grace_s: float) -> None:
        self.grace_s = grace_s
        self._deadline: float | None = None
        self._is_signalled = False

    def begin(self) -> None:
        """Handles a signal. Safe in a signal handler."""
        grace_s = 0.0 if self._is_signalled else self.grace_s
        self._is_signalled = True
        self._end_within(grace_s)

    def begin_requested(self) -> None:
        """Handles the request of an operator. The first signal after it does not shorten the grace period."""
        self._end_within(self.grace_s)

    def _end_within(self, grace_s: float) -> None:
        deadline = time.monotonic() + grace_s
        self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)

    @property
    def remaining_s(self) -> float:
        """The rest of the grace period in seconds; infinite before a signal."""
        return float("inf") if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def has_begun(self) -> bool:
        """Whether no further job may be leased."""
        return self._deadline is not None

    @property
    def is_over(self) -> bool:
        """Whether the running job must be released now."""
        return self.remaining_s == 0.0


def retry_until_drained(call: Callable[[], T], drain: Drain) -> T:
    """Repeats `call` until Redis answers. Raises QueueUnavailable only after the grace period."""
    while True:
        try:
            return call()
        except QueueUnavailable:
            log.warning("redis.away")
            if drain.is_over:
                raise
            time.sleep(PAUSE_S)
