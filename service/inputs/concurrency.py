"""A bound on how many threads of the front end wait for servers of others: in all, and for one caller."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from service.http.errors import ApiError

AT_ONCE = 12  # of the forty threads that answer requests
AT_ONCE_FOR_ONE = 6


class ConcurrencyLimiter:
    """Whoever finds none free is refused at once and comes back: waiting would hold a thread, too."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def one(self, owner: str) -> Iterator[None]:
        """Room for one more of this caller. Raises ApiError `rate_limited`."""
        with self._lock:
            if self._taken.total() >= AT_ONCE or self._taken[owner] >= AT_ONCE_FOR_ONE:
                message = "enough servers of others are being waited for right now; try again in a moment"
                raise ApiError("rate_limited", message, headers={"Retry-After": "5"})
            self._taken[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[owner] -= 1
                self._taken += Counter()  # forgets the callers that have none left
