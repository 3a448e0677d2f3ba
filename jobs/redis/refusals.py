"""Replies of Redis that are errors: most say that the queue is unavailable, a few that this program has a bug.

A list of refusals would never be complete: hosted servers, proxies and balancers have texts of their own. So this
module lists the errors that only a wrong command of this program can cause. Every other one is a refusal.
"""

import re
import time
from threading import Lock

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, PubSubError, RedisError, ResponseError, WatchError
from redis.exceptions import TimeoutError as RedisTimeoutError

log = structlog.get_logger()

# Redis names the code first; redis-py removes the code `ERR`, and puts the command of a pipeline before the text.
# A script of Redis 6 reports the refusal of a command inside it behind a text of its own.
_OWN_BUG = re.compile(
    r"(?:ERR )?(?:syntax error|wrong number of arguments|value is (?:not|out of range)|invalid expire|no such key"
    r"|index out of range|increment |hash value |min or max |numkeys |Number of keys|bit |offset is"
    r"|Error compiling script|user_script:|Error running script(?!.*: ?-?(?:[A-Z]+ |.*maxmemory)))",
    re.DOTALL,
)
_IN_PIPELINE = re.compile(r"^Command # \d+ .* of pipeline caused error: ", re.DOTALL)
LOG_INTERVAL_S = 5.0  # for equal reasons


def is_refusal(error: Exception) -> bool:
    """Whether an error of the client means that Redis cannot serve now, and the same call may work later."""
    if isinstance(error, ResponseError):
        return _OWN_BUG.match(reason_of(error)) is None and not is_wrong_type(error)
    return isinstance(error, RedisError) and not isinstance(error, WatchError | DataError | PubSubError)


def is_wrong_type(error: Exception) -> bool:
    """Whether a key holds a value of another type than this program writes, for a command or for one of a script."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in reason_of(error)


def reason_of(error: Exception) -> str:
    """The reply without the command, whose values may be secret."""
    text = _IN_PIPELINE.sub("", str(error))
    code = getattr(error, "status_code", None)
    return f"{code} {text}" if code else text or type(error).__name__


class RefusalLog:
    """Logs each refusal in one line; equal ones at most every `LOG_INTERVAL_S`. Threads may share it.

    A server without a reply is left out: the caller reports that it is away.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._reason, self._logged_at = "", float("-inf")

    def write(self, error: Exception) -> None:
        """Logs the reason of a refusal."""
        if type(error) in (RedisConnectionError, RedisTimeoutError):
            return
        reason, now = reason_of(error), time.monotonic()
        with self._lock:
            if reason == self._reason and now - self._logged_at < LOG_INTERVAL_S:
                return
            self._reason, self._logged_at = reason, now
        log.warning("redis.refused", reason=reason, kind=type(error).__name__)


REFUSALS = RefusalLog()
