"""Errors that the client raises, and how a response becomes one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from easyanimate_client.records import Video

MAX_MESSAGE_CHARS = 300


class EasyAnimateError(Exception):
    """Every error of this client."""


class ConnectionFailed(EasyAnimateError):
    """The service was not reached, or the connection broke. `tries` counts the requests that were sent."""

    def __init__(self, message: str, *, tries: int = 1, is_sent: bool = True) -> None:
        super().__init__(message)
        self.tries = tries
        self.is_sent = is_sent  # False if the service has certainly not received the request


class RequestTimedOut(ConnectionFailed):
    """No answer within the timeout of one request."""


class ApiError(EasyAnimateError):
    """An answer from status 400 on, or one that is no answer of the service.

    `code` and `param` are those of the service, or None if something in between answered. `tries` counts the requests.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None, param: str | None, headers: Mapping[str, str]
    ) -> None:
        super().__init__(f"{message} ({code or 'status'} {status})" if code else f"{message} (status {status})")
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = headers
        self.request_id = headers.get("x-request-id")
        self.tries = 1


class UnexpectedAnswer(ApiError):
    """An answer that is not from the service: a redirect, or a page of something in between."""


class BadRequest(ApiError):
    """400: the request is refused, and a repetition is refused too."""


class AuthenticationFailed(ApiError):
    """401: the API key is missing or wrong."""


class PermissionDenied(ApiError):
    """403: this caller may not do this."""


class NotFound(ApiError):
    """404: there is no such object of this caller, or no such route."""


class MethodNotAllowed(ApiError):
    """405: the route does not know this method."""


class Conflict(ApiError):
    """409: the state of the object does not allow it."""


class Gone(ApiError):
    """410: the files were deleted."""


class ContentTooLarge(ApiError):
    """413: the body is too large."""


class WrongMediaType(ApiError):
    """415: the service does not read this type of body."""


class WrongRange(ApiError):
    """416: the range begins after the end of the file."""


class Unprocessable(ApiError):
    """422: the idempotency key was used for another request."""


class TooManyRequests(ApiError):
    """429: a limit is reached."""


class ServerError(ApiError):
    """500, and each other status from 500 on without a class of its own."""


class ServiceUnavailable(ApiError):
    """503: a part of the service is away or stops."""


class VideoFailed(EasyAnimateError):
    """A video ended without a result. `video` is its record, `code` the reason."""

    def __init__(self, video: Video) -> None:
        error = video.error
        super().__init__(f"{video.id}: {error.message} ({error.code})" if error else f"{video.id} has failed")
        self.video = video
        self.code = error.code if error else None
        self.is_retryable = bool(error and error.retryable)
        self.blame = error.blame if error else None


class VideoDeleted(EasyAnimateError):
    """The video was deleted before it ended."""


class WaitTimedOut(EasyAnimateError):
    """The video had not ended after `timeout_s`; it continues. `video_id` names it."""

    def __init__(self, video_id: str, timeout_s: float) -> None:
        super().__init__(f"{video_id} has not ended after {timeout_s:g} s; it continues")
        self.video_id = video_id


class DownloadFailed(EasyAnimateError):
    """The received bytes are not the file of the record."""


class ContentChanged(DownloadFailed):
    """The file changed while it was received, so the download cannot continue."""


class NoEventStream(EasyAnimateError):
    """Something between client and service does not pass the event stream on."""


class WebhookVerificationFailed(EasyAnimateError):
    """A webhook is not from the service, or it is too old."""


STATUS_CLASSES: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    410: Gone,
    413: ContentTooLarge,
    415: WrongMediaType,
    416: WrongRange,
    422: Unprocessable,
    429: TooManyRequests,
    500: ServerError,
    503: ServiceUnavailable,
}


def to_error(status: int, headers: Mapping[str, str], body: bytes, classes: Mapping[str, type[ApiError]]) -> ApiError:
    """The error of an answer: the class of its code, or else of its status. `classes` are those of the codes."""
    error = _error_of(body)
    code, message, param = (error.get(name) for name in ("code", "message", "param"))
    if not isinstance(code, str):
        return _foreign_error(status, headers, body)
    kind = classes.get(code) or _class_of(status)
    return kind(status, str(message), code=code, param=None if param is None else str(param), headers=headers)


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _foreign_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error of an answer without a code of the service, for example of a proxy."""
    if status < 400:
        target = headers.get("location")
        message = f"the answer leads to {target}; use that address as base_url" if target else "the answer is no JSON"
        return UnexpectedAnswer(status, message, code=None, param=None, headers=headers)
    text = " ".join(body.decode("utf-8", "replace").split())[:MAX_MESSAGE_CHARS]
    return _class_of(status)(status, text or "an answer without a body", code=None, param=None, headers=headers)


def _class_of(status: int) -> type[ApiError]:
    return STATUS_CLASSES.get(status) or (ServerError if status >= 500 else ApiError)
