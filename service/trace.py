"""The trace a request belongs to (W3C Trace Context): kept with the job, logged, and sent along with its webhooks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog
from starlette.datastructures import Headers
from starlette.types import Scope

VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


@contextmanager
def traced(scope: Scope) -> Iterator[None]:
    """Makes the request's `traceparent` known while it is answered; one that is none is as good as absent."""
    given = Headers(scope=scope).get("traceparent", "")
    match = VALID.fullmatch(given)
    token = traceparent.set(given if match else None)
    try:
        with structlog.contextvars.bound_contextvars(**({"trace_id": match[1]} if match else {})):
            yield
    finally:
        traceparent.reset(token)
