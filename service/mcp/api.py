"""The REST API as the tools use it: one caller, JSON bodies, and refusals with the codes of the service."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

TRIES, RETRY_PAUSE_S = 3, 1.0
UNREACHABLE = "service_unreachable"  # the only code that is not one of the service
REPEATED = frozenset({UNREACHABLE, "draining", "idempotency_in_flight"})  # codes of requests that are repeated

Record = dict[str, Any]


class ToolRefusal(Exception):
    """A tool cannot do what the call requests: the code, the sentence and the parameter of the service."""

    def __init__(self, code: str, message: str, param: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s


def _is_running() -> bool:
    return False


@dataclass(frozen=True)
class VideoApi:
    """The REST API for one caller. `has_stopped` is true when this process ends and waits must end too."""

    http: httpx.AsyncClient
    headers: Mapping[str, str]
    has_stopped: Callable[[], bool] = _is_running

    async def record(self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> Record:
        """The JSON object of a response. Raises ToolRefusal."""
        response = await self.send(
            method, path, body, headers={name.replace("_", "-"): headers[name] for name in headers}
        )
        return _object(response)

    async def page(self, path: str, query: Mapping[str, Any]) -> Record:
        """One page of a list. Raises ToolRefusal."""
        values = {name: str(value) for name, value in query.items() if value is not None}
        return _object(await self.send("GET", path, query=values))

    async def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A response below 400; repeated while no service answers. Raises ToolRefusal.

        A POST that creates needs the header `Idempotency-Key`, so that a repetition creates nothing twice.
        """
        content = None if body is None else json.dumps(body).encode()  # ASCII: half a surrogate pair can be sent
        sent = {**self.headers, **(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
        for tries_left in reversed(range(TRIES)):
            try:
                return await self._try(method, path, content=content, params=query, headers=sent)
            except ToolRefusal as refusal:
                if not tries_left or refusal.code not in REPEATED or self.has_stopped():
                    raise
            await asyncio.sleep(RETRY_PAUSE_S)
        raise AssertionError  # the last try returns or raises

    async def _try(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = await self.http.request(method, path, **request)
        except httpx.RequestError as error:
            reason = f"there is no service at {self.http.base_url}: {str(error) or type(error).__name__}"
            raise ToolRefusal(UNREACHABLE, reason) from error
        if (
            response.history and response.request.method != method
        ):  # the redirect has lost the body, as from http to https
            origin = f"{response.url.scheme}://{response.url.netloc.decode()}"
            raise ToolRefusal(UNREACHABLE, f"{self.http.base_url} redirects to {origin}; use that address")
        if response.status_code >= 400:
            raise _refusal(response)
        return response


def _refusal(response: httpx.Response) -> ToolRefusal:
    advice = response.headers.get("Retry-After", "")
    retry_after_s = int(advice) if advice.isdecimal() else None
    try:
        error = response.json()["error"]
        return ToolRefusal(error["code"], error["message"], error["param"], retry_after_s)
    except (ValueError, KeyError, TypeError):
        return ToolRefusal(
            UNREACHABLE, f"HTTP {response.status_code} without a reason of the service", None, retry_after_s
        )


def _object(response: httpx.Response) -> Record:
    try:
        value = response.json()
    except ValueError as error:
        raise ToolRefusal(UNREACHABLE, "the response is not JSON, so it is not one of the service") from error
    if not isinstance(value, dict):
        raise ToolRefusal(UNREACHABLE, "the response is not an object, so it is not one of the service")
    return value
