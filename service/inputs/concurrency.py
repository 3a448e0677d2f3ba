"""A limit on the threads that wait for external servers, in total and per caller."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from service.http.errors import ApiError

MAX_CONCURRENT = 12  # of the forty threads of the front end
MAX_CONCURRENT_PER_CALLER = 6


class ConcurrencyLimiter:
    """Limits concurrent external requests. It refuses at once, since a waiting request would hold a thread, too."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def slot(self, owner: str) -> Iterator[None]:
        """Holds one slot of this caller. Raises ApiError `rate_limited`."""
        with self._lock:
            if self._running.total() >= MAX_CONCURRENT or self._running[owner] >= MAX_CONCURRENT_PER_CALLER:
                message = "too many external servers are being contacted at the moment; try again in a few seconds"
                raise ApiError("rate_limited", message, headers={"Retry-After": "5"})
            self._running[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[owner] -= 1
                self._running += Counter()  # removes callers without slots
