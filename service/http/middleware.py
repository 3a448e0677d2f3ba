"""Middleware around every request: request id, trace, log line and metrics."""

import random
import re
import time
from contextvars import ContextVar

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.rate_limits import ALLOWANCES, rate_limit_headers
from service.http.request_metrics import RequestMetrics

log = structlog.get_logger()

TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)  # W3C Trace Context
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)  # of the current request

VALID_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_RANDOM = random.Random()  # noqa: S311  request ids are not secret; system randomness is slower
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})  # polled every few seconds
READ_HEADERS = frozenset({b"x-request-id", b"traceparent", b"prefer"})
NO_SNIFFING = (b"x-content-type-options", b"nosniff")


class RequestLogMiddleware:
    """Binds `request_id`, sends it as `x-request-id`, and logs `request.finished` without query, body or keys."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received = {name: value.decode("latin-1") for name, value in scope["headers"] if name in READ_HEADERS}
        request_id = _request_id(received.get(b"x-request-id"))
        started, status, response_at = time.monotonic(), 0, 0.0

        async def send_with_headers(message: Message) -> None:
            nonlocal status, response_at
            if message["type"] == "http.response.start":
                status, response_at = message["status"], time.monotonic()
                own = [(b"x-request-id", request_id.encode()), NO_SNIFFING, *_allowance_headers(scope)]
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        trace = trace_id(received.get(b"traceparent"))
        bound = {"request_id": request_id, **({"trace_id": trace} if trace else {})}
        log_tokens = structlog.contextvars.bind_contextvars(**bound)
        trace_token = traceparent.set(received[b"traceparent"] if trace else None)
        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            _log_finished(scope, status, time.monotonic() - started)
            self._count(scope, status, None if b"prefer" in received else response_at - started)
            traceparent.reset(trace_token)
            structlog.contextvars.reset_contextvars(**log_tokens)

    def _count(self, scope: Scope, status: int, seconds: float | None) -> None:
        """Counts by route: paths are as many as videos. The status is 0 if the client disconnected."""
        route = getattr(scope.get("route"), "path", "none")
        is_untimed = status == 0 or route.endswith("/events")
        self.metrics.count(scope["method"], route, status, None if is_untimed else seconds)


def _allowance_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """What remains of the caller's rate limits, if the request was counted."""
    allowances = scope.get(ALLOWANCES)
    headers = rate_limit_headers(allowances) if allowances else {}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _log_finished(scope: Scope, status: int, seconds: float) -> None:
    if scope["path"] not in QUIET_PATHS:
        fields = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": round(seconds, 4)}
        log.info("request.finished", **fields, client=(scope.get("client") or [None])[0])


def _request_id(header: str | None) -> str:
    """The client's own id if it is safe in logs and headers, otherwise a new one."""
    return header if header and VALID_ID.fullmatch(header) else f"req_{_RANDOM.getrandbits(96):024x}"


def trace_id(header: str | None) -> str | None:
    """The trace id of a `traceparent` header; None if it is absent or invalid."""
    match = TRACEPARENT.fullmatch(header) if header else None
    return match[1] if match else None
