"""Outgoing HTTP requests to URLs of callers, protected against server-side request forgery.

Only https is allowed, without credentials in the URL. Every address of the host must be public, and the socket connects
to an address that was checked. A webhook follows no redirect. A download follows a few, each checked like the first
URL. One time limit covers the whole exchange, however slowly the server sends. A development setting allows http and
private addresses.
"""

import asyncio
import math
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from ssrfguard import BlockedAddressError, BlockedURLError, Policy, SSRFGuardError, resolve
from ssrfguard.httpx import AsyncClient

from jobs.errors import InvalidRequest

ALL_NETWORKS = (ip_network("0.0.0.0/0"), ip_network("::/0"))
ALL_PORTS = frozenset(range(1, 65_536))
HEADERS = {"accept-encoding": "identity", "user-agent": "easyanimate-service"}
LOOKUP_TIMEOUT_S = 5.0
CHECK_TIMEOUT_S = 2.0  # at submit, where the caller waits; a name that does not resolve yet is accepted
BODY_TIMEOUT_S = 1.0  # for the first bytes of a body, after the status
MAX_REDIRECTS = 3
MAX_RETRY_AFTER_S = 86_400.0
CERTIFICATE_FAULTS = {  # OpenSSL's numbers
    9: "it is not valid yet",
    10: "it has expired",
    18: "its issuer is not known",
    19: "its issuer is not known",
    20: "its issuer is not known",
    62: "it is for another host",
    64: "it is for another address",
}
T = TypeVar("T")


@dataclass(frozen=True)
class OutboundResponse:
    """A response: status, `Retry-After` in seconds (0 without), and the beginning of its body."""

    status: int
    retry_after_s: float
    body: str


class AddressBlocked(Exception):
    """The address must not be connected to."""


class RequestFailed(Exception):
    """There is no usable response; the message is for the caller who sent the URL. `status` is that of a response."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class OutboundClient:
    """Sends requests to URLs of callers. `allow_private` also allows http; `timeout_s` limits the whole exchange.

    Each request runs on an event loop of its own, so the client is safe in many threads but not on an event loop.
    """

    def __init__(self, *, allow_private: bool, timeout_s: float = 15.0) -> None:
        self.policy = _policy(allow_private)
        self.timeout_s = timeout_s
        self._tls = _tls_context()

    def check(self, url: str, param: str) -> None:
        """Refuses a URL by its form, and by the addresses to which its host resolves now.

        Raises InvalidRequest `url_not_allowed`. A host that does not resolve now is accepted: it is resolved, checked
        and pinned when the request is sent.
        """
        try:
            with suppress(OSError):
                resolve(self.policy.check_url(url), policy=self.policy, resolver=_lookup_within(CHECK_TIMEOUT_S))
        except (SSRFGuardError, ValueError) as error:
            message = f"{param} must be a public https URL without credentials: {self._reason(error)}"
            raise InvalidRequest(message, param, "url_not_allowed") from error

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> OutboundResponse:
        """Sends `content` with POST. Raises AddressBlocked, RequestFailed.

        Of the response body only the first chunk is read, without decompression, so a receiver cannot hold the client.
        """
        return self._run(self._post(url, content, headers))

    def exchange(self, url: str, content: bytes, headers: Mapping[str, str], limit_bytes: int) -> bytes:
        """Sends `content` with POST; returns the body of a response with status 200. Raises as `post`.

        A redirect, another status and a longer body are failures.
        """
        return self._run(self._exchange(url, content, headers, limit_bytes))

    def fetch(self, url: str, limit_bytes: int) -> bytes:
        """Downloads a file. Raises AddressBlocked, RequestFailed."""
        return self._run(self._fetch(url, limit_bytes))

    def _run(self, exchange: Coroutine[Any, Any, T]) -> T:
        async def limited() -> T:
            async with asyncio.timeout(self.timeout_s):
                return await exchange

        try:
            return asyncio.run(limited())
        except (SSRFGuardError, httpx.InvalidURL) as error:
            raise AddressBlocked(self._reason(error)) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise RequestFailed(f"no answer within {self.timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise RequestFailed(_failure_reason(error)) from error

    def _reason(self, error: Exception) -> str:
        """Returns why a URL was refused."""
        if isinstance(error, BlockedAddressError):
            return "its address is not public"
        return _url_fault(error.url, self.policy) if isinstance(error, BlockedURLError) else "it is not a URL"

    def _client(self) -> AsyncClient:
        """Returns a client without proxies, .netrc or cookies of an earlier response."""
        return AsyncClient(
            policy=self.policy,
            resolver=_lookup_within(LOOKUP_TIMEOUT_S),
            verify=self._tls,
            timeout=self.timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    async def _post(self, url: str, content: bytes, headers: Mapping[str, str]) -> OutboundResponse:
        async with (
            self._client() as client,
            client.stream("POST", url, content=content, headers={**HEADERS, **headers}) as response,
        ):
            retry_after_s = _parse_retry_after(response.headers.get("retry-after"))
            return OutboundResponse(response.status_code, retry_after_s, await _body_start(response))

    async def _exchange(self, url: str, content: bytes, headers: Mapping[str, str], limit_bytes: int) -> bytes:
        async with (
            self._client() as client,
            client.stream("POST", url, content=content, headers={**HEADERS, **headers}) as response,
        ):
            return await _read_body(response, limit_bytes)

    async def _fetch(self, url: str, limit_bytes: int) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client() as client, client.stream("GET", url, headers=HEADERS) as response:
                if not response.has_redirect_location:
                    return await _read_body(response, limit_bytes)
                url = str(response.url.join(response.headers["location"]))
        raise RequestFailed(f"it redirects more than {MAX_REDIRECTS} times")


async def _body_start(response: httpx.Response) -> str:
    """Returns the first 200 bytes of the body, or "" if it stalls or breaks off: the status is received already."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in response.aiter_raw():
                return chunk[:200].decode("utf-8", "replace")
    return ""


async def _read_body(response: httpx.Response, limit_bytes: int) -> bytes:
    if response.status_code != 200:
        raise RequestFailed(f"the response status was {response.status_code}, not 200", response.status_code)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise RequestFailed("the response was compressed; it must be sent without content-encoding")
    data = bytearray()
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > limit_bytes:
            raise RequestFailed(f"it is larger than {limit_bytes} bytes")
    return bytes(data)


@cache
def _tls_context() -> ssl.SSLContext:
    """The trusted authorities, which take longer to load than many requests; all clients share them."""
    return httpx.create_ssl_context()


def _policy(allow_private: bool) -> Policy:
    if allow_private:
        schemes = frozenset({"http", "https"})
        return Policy(allowed_schemes=schemes, allowed_networks=ALL_NETWORKS, allowed_ports=ALL_PORTS)
    return Policy(allowed_schemes=frozenset({"https"}), allowed_ports=frozenset({443, 8443}))


def _lookup_within(timeout_s: float) -> Callable[..., Any]:
    """Returns `socket.getaddrinfo` with a timeout; it has none itself, so each call runs in a daemon thread."""

    def resolve_host(*query: Any, **options: Any) -> Any:
        results: SimpleQueue[Any] = SimpleQueue()

        def run() -> None:
            try:
                results.put(socket.getaddrinfo(*query, **options))
            except Exception as error:  # noqa: BLE001 - raised again by the waiting thread
                results.put(error)

        Thread(target=run, daemon=True, name="lookup").start()
        try:
            result = results.get(timeout=timeout_s)
        except Empty:
            raise socket.gaierror(socket.EAI_AGAIN, "the name server does not answer") from None
        if isinstance(result, Exception):
            raise result
        return result

    return resolve_host


def _url_fault(url: str, policy: Policy) -> str:
    """Returns why the policy refuses a URL, in words that repeat nothing of it: it may have a password."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError:
        return "it is not a URL"
    if parts.scheme not in policy.allowed_schemes:
        return f"its scheme must be {' or '.join(sorted(policy.allowed_schemes))}"
    if "@" in parts.netloc:
        return "it has credentials"
    if port is not None and port not in policy.allowed_ports:
        return f"its port must be {' or '.join(map(str, sorted(policy.allowed_ports)))}"
    return "its address is not public" if _is_address(name or "") else "its host is not a name"


def _is_address(name: str) -> bool:
    with suppress(ValueError):
        ip_address(name)
        return True
    return False


def _failure_reason(error: Exception) -> str:
    """Returns the innermost cause in a few words, which helps the owner of the receiver."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {CERTIFICATE_FAULTS.get(cause.verify_code, 'it is not valid')}"
        if isinstance(cause, socket.gaierror):
            return "its name does not resolve"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return "no connection could be opened"
    is_closed = isinstance(error, httpx.NetworkError) or "disconnected" in str(error) or "closed" in str(error)
    return "it closed the connection" if is_closed else "its response is not HTTP"


def _parse_retry_after(header: str | None) -> float:
    """Parses a Retry-After header to seconds from now, a day at most; 0 for a missing or invalid one."""
    try:
        delay_s = float(header or 0)
    except ValueError:
        delay_s = _seconds_until(str(header))
    return max(0.0, min(delay_s, MAX_RETRY_AFTER_S)) if math.isfinite(delay_s) else 0.0


def _seconds_until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
