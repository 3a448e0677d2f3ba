"""The trace a request belongs to (W3C Trace Context): kept with the job, logged, and sent along with its webhooks."""

import re
from contextvars import ContextVar

VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)  # of the request that is answered


def trace_id(given: str | None) -> str | None:
    """The id of the trace in a `traceparent` header; None for one that is none: it is as good as absent."""
    match = VALID.fullmatch(given) if given else None
    return match[1] if match else None
