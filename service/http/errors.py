"""The one place where errors become answers: a problem+json body that OpenAI's clients read as well (RFC 9457)."""

import json
from collections.abc import Mapping
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.errors import InvalidRequest, JobsError, StorageUnavailable

log = structlog.get_logger()

# Codes are for ever: add, never rename.
STATUS = {
    "invalid_request": 400,
    "unknown_parameter": 400,
    "invalid_size": 400,
    "invalid_seconds": 400,
    "unsupported_image": 400,
    "unsupported_video": 400,
    "unsupported_file": 400,
    "url_not_allowed": 400,
    "image_fetch_failed": 400,
    "video_fetch_failed": 400,
    "too_many_files": 400,
    "too_many_endpoints": 400,
    "webhook_unreachable": 400,
    "invalid_api_key": 401,
    "forbidden": 403,
    "not_found": 404,
    "video_not_found": 404,
    "model_not_found": 404,
    "lora_not_found": 404,
    "playlist_not_found": 404,
    "file_not_found": 404,
    "webhook_endpoint_not_found": 404,
    "delivery_not_found": 404,
    "method_not_allowed": 405,
    "video_not_ready": 409,
    "not_cancellable": 409,
    "webhook_endpoint_disabled": 409,
    "idempotency_in_flight": 409,
    "asset_expired": 410,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "queue_full": 429,
    "internal_error": 500,
    "draining": 503,
    "queue_unavailable": 503,
    "storage_unavailable": 503,
    "model_unavailable": 503,
}
OF_THE_FRAMEWORK = {404: "not_found", 405: "method_not_allowed"}
RETRY_AFTER_S = {
    "draining": 1,
    "idempotency_in_flight": 1,
    "queue_full": 30,
    "queue_unavailable": 5,
    "storage_unavailable": 10,
    "model_unavailable": 10,
}
NEVER_RETRY = {
    "video_not_ready",
    "not_cancellable",
    "webhook_endpoint_disabled",
}  # clients repeat every 409 unless told not to
LIMIT_HEADERS = (
    "RateLimit-Policy",
    "RateLimit",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)
HEADERS = {  # of one code only; whoever raises the problem knows their values
    "invalid_api_key": ("WWW-Authenticate",),
    "unsupported_media_type": ("Accept",),
    "range_not_satisfiable": ("Content-Range",),
    "rate_limited": ("Retry-After", "x-should-retry", *LIMIT_HEADERS),
}


class OpenAIError(BaseModel):
    """The part that OpenAI's clients read."""

    message: str
    type: str
    param: str | None
    code: str


class ProblemBody(BaseModel):
    """Every answer above 399: what went wrong, with a stable code, and what would work."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    error: OpenAIError


class ApiError(Exception):
    """An answer above 399 with one of the codes above."""

    def __init__(
        self, code: str, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.headers = dict(headers or {})


def headers_of(code: str) -> tuple[str, ...]:
    """Which headers an answer with this code has, beside those of every answer."""
    found = list(HEADERS.get(code, ()))
    if code in RETRY_AFTER_S:
        found.append("Retry-After")
    if code in NEVER_RETRY:
        found.append("x-should-retry")
    return tuple(found)


def problem_body(path: str, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """The body of an answer with this code: RFC 9457 and an OpenAI error at the same time."""
    status = STATUS[code]
    return {
        "type": f"urn:easyanimate:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": message,
        "instance": path,
        "error": {"message": message, "type": _openai_type(status), "param": param, "code": code},
    }


def install_handlers(app: FastAPI) -> None:
    """Answer every known error of `app` as a problem."""
    app.add_exception_handler(ApiError, _of_problem)
    app.add_exception_handler(JobsError, _of_job)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_query)


class ServerErrorMiddleware:
    """Answers 500 to what nobody foresaw: the log gets the trace, the caller the request id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            log.info("request.abandoned")
        except Exception:
            log.exception("request.failed")
            if has_begun:  # all that is left is to cut the connection, so that the caller sees it is not whole
                raise
            await _answer(scope["path"], "internal_error", "Something unexpected went wrong.")(scope, receive, send)


async def _of_problem(request: Request, error: Exception) -> Response:
    problem = cast(ApiError, error)
    return _answer(request.url.path, problem.code, str(problem), problem.param, problem.headers)


async def _of_job(request: Request, error: Exception) -> Response:
    if isinstance(error, StorageUnavailable):  # what is wrong with it is for the operator's eyes
        log.warning("storage.away", kind=type(error).__name__, reason=str(error))
        error = StorageUnavailable()
    param = error.param if isinstance(error, InvalidRequest) else None
    return _answer(request.url.path, cast(JobsError, error).code, str(error), param)


async def _of_framework(request: Request, error: Exception) -> Response:
    refusal = cast(HTTPException, error)
    code = OF_THE_FRAMEWORK.get(refusal.status_code, "invalid_request")
    message = f"{request.method} {request.url.path} is not here; GET /docs shows what is"
    return _answer(request.url.path, code, message, headers=refusal.headers)


async def _of_query(request: Request, error: Exception) -> Response:
    first = cast(RequestValidationError, error).errors()[0]
    param = str(first["loc"][-1])
    return _answer(request.url.path, "invalid_request", f"{param}: {first['msg']}", param)


def _answer(
    path: str, code: str, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    extra = {"Cache-Control": "no-store", **(headers or {})}
    if code in RETRY_AFTER_S:
        extra.setdefault("Retry-After", str(RETRY_AFTER_S[code]))
    if code in NEVER_RETRY:
        extra["x-should-retry"] = "false"
    # ASCII only: a message may quote a caller's text that has no UTF-8
    body = json.dumps(problem_body(path, code, message, param))
    return Response(body, STATUS[code], extra, media_type="application/problem+json")


def _openai_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"
