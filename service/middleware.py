"""Around every request: an id that is on the answer and on every log line, and one line when it is done."""

import random
import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.asker import ALLOWANCES
from service.limits import limit_headers
from service.request_metrics import RequestMetrics
from service.trace import traced

log = structlog.get_logger()

SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_RANDOM = random.Random()  # noqa: S311  the id of a request keeps no secret, and the system's random bits cost more
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds


class RequestStory:
    """Binds `request_id`, puts it into `x-request-id`, and logs `request.finished` without query, body or keys."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        started, status, began = time.monotonic(), 0, 0.0

        async def told(message: Message) -> None:
            nonlocal status, began
            if message["type"] == "http.response.start":
                status, began = message["status"], time.monotonic()
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["x-content-type-options"] = "nosniff"
                if allowances := scope.get(ALLOWANCES):
                    headers.update(limit_headers(allowances))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id), traced(scope):
            try:
                await self.app(scope, receive, told)
            finally:
                self._count(scope, status, began - started)
                if scope["path"] not in QUIET_PATHS:
                    seconds = round(time.monotonic() - started, 4)
                    log.info(
                        "request.finished", method=scope["method"], path=scope["path"], status=status, seconds=seconds
                    )

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        """By the route, not the path: of those there are as many as videos. A caller who is gone has no status."""
        route = getattr(scope.get("route"), "path", "none")
        says_nothing = status == 0 or route.endswith("/events") or "prefer" in Headers(scope=scope)
        self.metrics.answered(scope["method"], route, status, None if says_nothing else seconds)


def _request_id(given: str | None) -> str:
    """The caller's own id if it is harmless in a log and a header, else a fresh one."""
    return given if given and SANE_ID.fullmatch(given) else f"req_{_RANDOM.getrandbits(96):024x}"
