"""Values that cannot be read or processed: logged and counted once a day, and not tried again for some minutes.

One such value must not stop the loop over all others (docs/decisions/0038-unreadable-values.md). Nothing is deleted
here: another release may read the value, or an operator may repair it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import structlog
from redis import Redis
from redis.exceptions import ResponseError

from jobs.errors import QueueUnavailable, RecordUnreadable, StorageUnavailable
from jobs.redis.connection import redis_errors
from jobs.redis.keys import COUNTERS_KEY, UNREADABLE_KEY
from jobs.redis.refusals import is_wrong_type

log = structlog.get_logger()

Reply = TypeVar("Reply")

RETRY_S = 600.0  # until this process tries a value again
POSTPONED_S = 3600.0  # until a value in a queue with due times is due again, for all processes
MAX_SET_ASIDE = 1000  # values that one loop of this process remembers

# KEYS: the reported values by the second of their report, the counters. ARGV: value, counter, seconds between two
# reports. -> 1 if this is the first report of the value in this time
_REPORT = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
if redis.call('ZADD', KEYS[1], 'NX', now, ARGV[1]) == 0 then return 0 end
redis.call('HINCRBYFLOAT', KEYS[2], ARGV[2], 1)
return 1
"""
_REPORTED_FOR_S = 86_400


def report_command(kind: str, name: str) -> list[Any]:
    """The arguments of EVAL that counts an unreadable value. The reply is 1 at most once a day for each value."""
    return [_REPORT, 2, UNREADABLE_KEY, COUNTERS_KEY, f"{kind} {name}", f'["unreadable", "{kind}"]', _REPORTED_FOR_S]


@contextmanager
def reads_hash() -> Iterator[None]:
    """Raises RecordUnreadable where the key of a record holds a value of another type."""
    try:
        yield
    except ResponseError as error:
        if not is_wrong_type(error):
            raise
        raise RecordUnreadable("its key in Redis holds a value of another type") from error


def hash_reply(reply: Any) -> dict[bytes, bytes]:
    """The fields in a reply to HGETALL in a pipeline. Raises RecordUnreadable, and other errors of Redis."""
    with reads_hash():
        if isinstance(reply, Exception):
            raise reply
    fields: dict[bytes, bytes] = reply
    return fields


def readable_reply(redis: Redis, kind: str, name: str, reply: Reply | Exception, default: Reply) -> Reply:
    """One reply of a pipeline; for a key of another type `default`, and a report. Raises other errors of Redis."""
    try:
        with redis_errors():
            if isinstance(reply, Exception):
                raise reply
            return reply
    except RecordUnreadable as error:
        report_unreadable(redis, kind, name, error)
        return default


def readable_names(names: Iterable[bytes]) -> list[str]:
    """The names as text, without those that are no UTF-8."""
    readable = []
    for name in names:
        with suppress(UnicodeDecodeError):
            readable.append(name.decode())
    return readable


def log_unreadable(kind: str, name: str, error: BaseException) -> None:
    """Logs an unreadable value with the reason. An unexpected error has its traceback."""
    is_expected = isinstance(error, RecordUnreadable)
    log.error("value.unreadable", kind=kind, name=name, reason=str(error), exc_info=None if is_expected else error)


def report_unreadable(redis: Redis, kind: str, name: str, error: BaseException) -> bool:
    """Logs and counts an unreadable value, at most once a day in the whole installation. Returns whether it did.

    `name` is an id, never a secret. Nothing is reported while Redis is away, or if the key of the reports holds a value
    of another type.
    """
    with suppress(QueueUnavailable, RecordUnreadable), redis_errors():
        if redis.eval(*report_command(kind, name)):
            log_unreadable(kind, name, error)
            return True
    return False


class SetAside:
    """The values of one kind that this process could not read or process; each is tried again after `RETRY_S`."""

    def __init__(self, redis: Redis, kind: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.redis = redis
        self.kind = kind
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, name: str, error: BaseException) -> None:
        """Sets a value aside and reports it."""
        self.skip(name)
        report_unreadable(self.redis, self.kind, name, error)

    def skip(self, name: str) -> None:
        """Sets a value aside without a report."""
        while len(self._until) >= MAX_SET_ASIDE:
            del self._until[next(iter(self._until))]  # the oldest one
        self._until[name] = self._clock() + RETRY_S

    def names(self) -> list[str]:
        """The values that are set aside now."""
        now = self._clock()
        self._until = {name: until for name, until in self._until.items() if until > now}
        return list(self._until)

    def others(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are not set aside."""
        skipped = set(self.names())
        return [name for name in names if name not in skipped]

    @contextmanager
    def guard(self, name: str) -> Iterator[None]:
        """Sets `name` aside if the block fails for a reason of its own. Raises QueueUnavailable, StorageUnavailable."""
        try:
            yield
        except (QueueUnavailable, StorageUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  it is logged and counted
            self.add(name, error)
