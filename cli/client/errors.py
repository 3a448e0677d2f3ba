"""Errors of the client: a refusal, a failure, or no answer."""

from http import HTTPStatus

import httpx

from cli.errors import CommandError, ExitCode

BUSY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class ClientError(CommandError):
    """The service refuses, fails, or does not answer."""


class NotAccepted(ClientError):
    """The service refuses the request; the same request is refused again."""

    exit_code = ExitCode.REFUSED


class ServiceUnreachable(ClientError):
    """The service does not answer, or is temporarily unavailable."""

    exit_code = ExitCode.UNAVAILABLE


def to_error(response: httpx.Response) -> ClientError:
    """The refusal of the service, in its own words where the answer has them."""
    try:
        reason = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        reason = f"{response.request.url} answers with HTTP {response.status_code}"
    if response.status_code in BUSY:
        return ServiceUnreachable(reason)
    return NotAccepted(reason) if response.is_client_error else ClientError(reason)


def message_or_type(error: Exception) -> str:
    """The text of an error, or the name of its type if it has none."""
    return str(error) or type(error).__name__
