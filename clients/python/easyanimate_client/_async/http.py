"""Requests with retries, and answers as records or errors."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from easyanimate_client.decoding import decode
from easyanimate_client.error_codes import CLASSES
from easyanimate_client.errors import ApiError, ConnectionFailed, RequestTimedOut, to_error
from easyanimate_client.options import CONNECT_TIMEOUT_S, Call, ClientOptions
from easyanimate_client.retries import RetryPolicy

Record = TypeVar("Record")
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class AsyncHttp:
    """One connection pool. Each method can raise ApiError and ConnectionFailed."""

    def __init__(self, options: ClientOptions, http_client: httpx.AsyncClient | None) -> None:
        self.options = options
        self.retries = RetryPolicy(options.max_retries)
        self._owns_client = http_client is None
        self._client = http_client or httpx.AsyncClient(trust_env=not options.is_local)

    async def aclose(self) -> None:
        """Closes the connections, unless the caller has provided them."""
        if self._owns_client:
            await self._client.aclose()

    async def record(self, kind: type[Record], call: Call) -> Record:
        """The answer as a record of this class."""
        return decode(kind, json_object(await self.send(call)))

    async def send(self, call: Call) -> httpx.Response:
        """The successful answer, after retries."""
        tries = 0
        while True:
            tries += 1
            try:
                async with self.stream(call) as response:
                    await response.aread()
                    return response
            except (ApiError, ConnectionFailed) as error:
                await self.wait_after(error, call, tries)

    async def wait_after(self, error: ApiError | ConnectionFailed, call: Call, tries: int) -> None:
        """Waits before the next try. Raises `error` if there is none."""
        error.tries = tries
        delay_s = self.retries.delay_s(error, tries, is_repeatable=call.is_repeatable)
        if delay_s is None:
            raise error
        await asyncio.sleep(delay_s)

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[httpx.Response]:
        """The answer to one try, before its body is read. Errors of httpx in the block become ConnectionFailed."""
        try:
            async with self._client.stream(
                call.method,
                self.options.url + call.path,
                params=dict(call.params),
                headers={**self.options.headers(), **call.headers},
                timeout=httpx.Timeout(call.timeout_s or self.options.timeout_s, connect=CONNECT_TIMEOUT_S),
                follow_redirects=False,
                **call.body,
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise to_error(response.status_code, response.headers, response.content, CLASSES)
                yield response
        except httpx.TimeoutException as error:
            raise RequestTimedOut(_reason(error), is_sent=not isinstance(error, NOT_SENT)) from error
        except httpx.TransportError as error:
            raise ConnectionFailed(_reason(error), is_sent=not isinstance(error, NOT_SENT)) from error


def json_object(response: httpx.Response) -> Mapping[str, Any]:
    """The JSON object of an answer. Raises UnexpectedAnswer."""
    try:
        values = response.json()
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise to_error(response.status_code, response.headers, b"", {})
    return values


def _reason(error: httpx.TransportError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
