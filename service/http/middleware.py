"""Around every request: an id that is on the answer and on every log line, and one line when it is done."""

import random
import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.rate_limits import ALLOWANCES, rate_limit_headers
from service.http.request_metrics import RequestMetrics
from service.http.trace import trace_id, traceparent

log = structlog.get_logger()

SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_RANDOM = random.Random()  # noqa: S311  the id of a request keeps no secret, and the system's random bits cost more
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds
LOOKED_AT = frozenset({b"x-request-id", b"traceparent", b"prefer"})
NO_SNIFFING = (b"x-content-type-options", b"nosniff")


class RequestLogMiddleware:
    """Binds `request_id`, puts it into `x-request-id`, and logs `request.finished` without query, body or keys."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = {name: value.decode("latin-1") for name, value in scope["headers"] if name in LOOKED_AT}
        request_id = _request_id(given.get(b"x-request-id"))
        started, status, began = time.monotonic(), 0, 0.0

        async def told(message: Message) -> None:
            nonlocal status, began
            if message["type"] == "http.response.start":
                status, began = message["status"], time.monotonic()
                headers = [*message.get("headers", ()), (b"x-request-id", request_id.encode()), NO_SNIFFING]
                if allowances := scope.get(ALLOWANCES):
                    headers += [
                        (name.encode(), value.encode()) for name, value in rate_limit_headers(allowances).items()
                    ]
                message["headers"] = headers
            await send(message)

        trace = trace_id(given.get(b"traceparent"))
        bound = {"request_id": request_id, **({"trace_id": trace} if trace else {})}
        of_log = structlog.contextvars.bind_contextvars(**bound)
        of_trace = traceparent.set(given[b"traceparent"] if trace else None)
        try:
            await self.app(scope, receive, told)
        finally:
            self._count(scope, status, None if b"prefer" in given else began - started)
            if scope["path"] not in QUIET_PATHS:
                seconds = round(time.monotonic() - started, 4)
                log.info("request.finished", method=scope["method"], path=scope["path"], status=status, seconds=seconds)
            traceparent.reset(of_trace)
            structlog.contextvars.reset_contextvars(**of_log)

    def _count(self, scope: Scope, status: int, seconds: float | None) -> None:
        """By the route, not the path: of those there are as many as videos. A caller who is gone has no status."""
        route = getattr(scope.get("route"), "path", "none")
        says_nothing = status == 0 or route.endswith("/events")
        self.metrics.answered(scope["method"], route, status, None if says_nothing else seconds)


def _request_id(given: str | None) -> str:
    """The caller's own id if it is harmless in a log and a header, else a fresh one."""
    return given if given and SANE_ID.fullmatch(given) else f"req_{_RANDOM.getrandbits(96):024x}"
