"""Turns errors into responses: a problem+json body (RFC 9457) that OpenAI's clients read as well."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.errors import InvalidRequest, JobsError, StorageUnavailable
from service.http.error_codes import ERROR_CODES
from service.http.fields import error_sentence

log = structlog.get_logger()

FRAMEWORK_CODES = {404: "not_found", 405: "method_not_allowed"}


class OpenAIError(BaseModel):
    """The part of the body that OpenAI's clients read."""

    message: str
    type: str
    param: str | None
    code: str


class ProblemBody(BaseModel):
    """The body of every response from 400 on: the reason, a stable code, and what would work."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    reason: str | None = Field(description="The reason of a refused request, where it has a stable code of its own.")
    values: dict[str, str | float] = Field(description="The values of `reason`, by their names.")
    error: OpenAIError


class ApiError(Exception):
    """An error response with one of the public codes."""

    def __init__(
        self, code: str, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.headers = dict(headers or {})


class Reason(NamedTuple):
    """The reason of a refused request, one of `REFUSAL_REASONS`, with its values."""

    code: str | None
    values: Mapping[str, str | float]


NO_REASON = Reason(None, {})


def problem_body(
    path: str, code: str, message: str, param: str | None = None, reason: Reason = NO_REASON
) -> dict[str, Any]:
    """The body of a response with this code, for RFC 9457 and for OpenAI's clients."""
    status = ERROR_CODES[code].status
    return {
        "type": f"urn:easyanimate:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": message,
        "instance": path,
        "reason": reason.code,
        "values": dict(reason.values),
        "error": {"message": message, "type": _openai_type(status), "param": param, "code": code},
    }


def install_handlers(app: FastAPI) -> None:
    """Answers every expected error of `app` with a problem body."""
    app.add_exception_handler(ApiError, _answer_api_error)
    app.add_exception_handler(JobsError, _answer_jobs_error)
    app.add_exception_handler(HTTPException, _answer_framework_error)
    app.add_exception_handler(RequestValidationError, _answer_query_error)


class ServerErrorMiddleware:
    """Answers unexpected errors with 500: the traceback goes to the log, the request id to the client."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application (ASGI)."""
        has_started = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except ClientDisconnect:
            log.info("request.disconnected")
        except Exception:
            log.exception("request.failed")
            if has_started:  # only a cut connection shows the client that the response is incomplete
                raise
            response = problem_response(scope["path"], "internal_error", "An unexpected error occurred.")
            await response(scope, receive, send)


async def _answer_api_error(request: Request, error: Exception) -> Response:
    problem = cast(ApiError, error)
    return problem_response(request.url.path, problem.code, str(problem), problem.param, problem.headers)


async def _answer_jobs_error(request: Request, error: Exception) -> Response:
    if isinstance(error, StorageUnavailable):  # only the operator sees the reason
        log.warning("storage.unavailable", kind=type(error).__name__, reason=str(error))
        error = StorageUnavailable()
    if not isinstance(error, InvalidRequest):
        return problem_response(request.url.path, cast(JobsError, error).code, str(error))
    reason = Reason(error.reason, error.values)
    return problem_response(request.url.path, error.code, str(error), error.param, reason=reason)


async def _answer_framework_error(request: Request, error: Exception) -> Response:
    http_error = cast(HTTPException, error)
    code = FRAMEWORK_CODES.get(http_error.status_code, "invalid_request")
    message = f"{request.method} {request.url.path} does not exist; GET /docs lists the routes"
    return problem_response(request.url.path, code, message, headers=http_error.headers)


async def _answer_query_error(request: Request, error: Exception) -> Response:
    first = cast(RequestValidationError, error).errors()[0]
    param = str(first["loc"][-1])
    return problem_response(request.url.path, "invalid_request", f"{param} {error_sentence(first)}", param)


def problem_response(
    path: str,
    code: str,
    message: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
    reason: Reason = NO_REASON,
) -> Response:
    """The response with this code: status, problem body, and the retry advice of the code."""
    error_code = ERROR_CODES[code]
    all_headers = {"Cache-Control": "no-store", **(headers or {})}
    if error_code.retry_after_s is not None:
        all_headers.setdefault("Retry-After", str(error_code.retry_after_s))
    if error_code.never_retry:
        all_headers["x-should-retry"] = "false"
    # json.dumps writes ASCII: a message may quote text of a client that has no UTF-8
    body = json.dumps(problem_body(path, code, message, param, reason))
    return Response(body, error_code.status, all_headers, media_type="application/problem+json")


def _openai_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"
