"""Which requests are sent again, and when."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from easyanimate_client.errors import ApiError, ConnectionFailed, EasyAnimateError

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 8.0
MAX_ADVISED_S = 120.0  # the service advises at most 60 s; a longer wait is left to the caller
RETRIED_STATUSES = frozenset((408, 425, 429, 500, 502, 503, 504))
NOT_EXECUTED_STATUSES = frozenset((425, 429, 503))  # of these the service has done nothing
RETRIED_CODES = frozenset(("idempotency_in_flight",))
DEFAULT_POLL_S = 1.0
MIN_POLL_S = 0.05


@dataclass(frozen=True)
class RetryPolicy:
    """`max_retries` repetitions of a request at most."""

    max_retries: int

    def delay_s(self, error: EasyAnimateError, tries: int, *, is_repeatable: bool) -> float | None:
        """Seconds until the next try, or None if there is none. `tries` counts those before.

        `is_repeatable` means that a second execution changes nothing; other requests are repeated only if the first
        was certainly not executed.
        """
        if tries > self.max_retries or not _may_retry(error, is_repeatable):
            return None
        advised = advised_s(error.headers) if isinstance(error, ApiError) else None
        if advised is None:
            return random.uniform(0.5, 1.0) * min(FIRST_DELAY_S * 2.0 ** (tries - 1), MAX_DELAY_S)  # noqa: S311
        return advised + random.uniform(0.0, 0.1) if advised <= MAX_ADVISED_S else None  # noqa: S311


def advised_s(headers: Mapping[str, str]) -> float | None:
    """The seconds of `Retry-After`, which may be a number or a date; None without a valid one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def poll_delay_s(headers: Mapping[str, str]) -> float:
    """The seconds until the next poll, as the service advises."""
    milliseconds = headers.get("openai-poll-after-ms", "")
    if milliseconds.isascii() and milliseconds.isdigit():
        return min(max(int(milliseconds) / 1000, MIN_POLL_S), MAX_ADVISED_S)
    advised = advised_s(headers)
    return DEFAULT_POLL_S if advised is None else min(max(advised, MIN_POLL_S), MAX_ADVISED_S)


def _may_retry(error: EasyAnimateError, is_repeatable: bool) -> bool:
    if isinstance(error, ConnectionFailed):
        return is_repeatable or not error.is_sent
    if not isinstance(error, ApiError) or error.headers.get("x-should-retry") == "false":
        return False
    if error.code in RETRIED_CODES:
        return True
    return error.status in (RETRIED_STATUSES if is_repeatable else NOT_EXECUTED_STATUSES)
