"""Files that a request names by their address: fetched before the job is accepted, a few at a time.

Only `jobs/outgoing.py` reaches out, so no address leads into a private network, by whatever name or redirect. Each
fetch holds a thread of the front end; a bound on how many there are at once keeps slow servers of others from taking
all of them, and a smaller one for each caller keeps one caller from taking all of that.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from jobs.errors import InvalidRequest
from jobs.outgoing import Blocked, NoAnswer, Outgoing
from service.input_kinds import Kind
from service.problems import Problem

AT_ONCE = 12  # of the forty threads that answer requests
AT_ONCE_FOR_ONE = 6
MAX_URL_CHARS = 2048


class Links:
    """Fetches callers' files through `outgoing`. `limit_bytes` is the largest one."""

    def __init__(self, outgoing: Outgoing, limit_bytes: int) -> None:
        self.outgoing = outgoing
        self.limit_bytes = limit_bytes
        self._under_way: Counter[str] = Counter()
        self._lock = Lock()

    def fetch(self, owner: str, url: str, param: str, kind: Kind) -> bytes:
        """What lies at `url`. Raises InvalidRequest `url_not_allowed` or the kind's code, Problem `rate_limited`."""
        if len(url) > MAX_URL_CHARS:
            raise InvalidRequest(f"{param} has {len(url)} characters; at most {MAX_URL_CHARS} work", param)
        self.outgoing.check(url, param)
        with self._slot(owner):
            try:
                return self.outgoing.fetch(url, self.limit_bytes)
            except Blocked as error:
                message = f"{param} leads to where this service must not go: {error}"
                raise InvalidRequest(message, param, "url_not_allowed") from error
            except NoAnswer as error:
                message = f"{param} could not be fetched: {error}; send the {kind.noun} as a file, or another link"
                raise InvalidRequest(message, param, kind.fetch_failed) from error

    @contextmanager
    def _slot(self, owner: str) -> Iterator[None]:
        with self._lock:
            if self._under_way.total() >= AT_ONCE or self._under_way[owner] >= AT_ONCE_FOR_ONE:
                message = "enough links are being fetched right now; try again in a moment, or send the file itself"
                raise Problem("rate_limited", message, headers={"Retry-After": "5"})
            self._under_way[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[owner] -= 1
                self._under_way += Counter()  # forgets the callers that have none left
