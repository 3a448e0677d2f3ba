"""Around every request: an id that is on the answer and on every log line, and one line when it is done."""

import random
import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.asker import ALLOWANCES
from service.limits import limit_headers
from service.trace import traced

log = structlog.get_logger()

SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_RANDOM = random.Random()  # noqa: S311  the id of a request keeps no secret, and the system's random bits cost more
QUIET_PATHS = frozenset({"/healthz", "/readyz"})  # asked every few seconds


class RequestStory:
    """Binds `request_id`, puts it into `x-request-id`, and logs `request.finished` without query, body or keys."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        started, status = time.monotonic(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
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
                if scope["path"] not in QUIET_PATHS:
                    seconds = round(time.monotonic() - started, 4)
                    log.info(
                        "request.finished", method=scope["method"], path=scope["path"], status=status, seconds=seconds
                    )


def _request_id(given: str | None) -> str:
    """The caller's own id if it is harmless in a log and a header, else a fresh one."""
    return given if given and SANE_ID.fullmatch(given) else f"req_{_RANDOM.getrandbits(96):024x}"
