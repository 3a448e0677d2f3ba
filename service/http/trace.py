"""W3C Trace Context: the trace of a request is logged, stored with the job and sent with its webhooks."""

import re
from contextvars import ContextVar

VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)  # of the current request


def trace_id(header: str | None) -> str | None:
    """The trace id of a `traceparent` header; None if it is absent or invalid."""
    match = VALID.fullmatch(header) if header else None
    return match[1] if match else None
