"""The one door for requests that leave this service: addresses of callers, looked at before and while connecting.

https only, no credentials in the URL, every address the name resolves to must be public, and the socket goes to the
address that was checked. Webhooks follow no redirect; what is fetched follows a few, each looked at like the first
address. The whole exchange has one time limit, however slowly the other side drips. A development setting allows http
and private addresses.
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
from ipaddress import ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import httpx
from ssrfguard import Policy, SSRFGuardError, resolve
from ssrfguard.httpx import AsyncClient

from jobs.errors import InvalidRequest

ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
ALL_PORTS = frozenset(range(1, 65_536))
ABOUT_US = {"accept-encoding": "identity", "user-agent": "easyanimate-service"}
LOOKUP_TIMEOUT_S = 5.0
CHECK_TIMEOUT_S = 2.0  # at submit, where a caller waits and what does not resolve yet is let through
BODY_PATIENCE_S = 1.0  # for the first words of an answer whose status is known already
MAX_REDIRECTS = 3
MAX_RETRY_AFTER_S = 86_400.0
T = TypeVar("T")


@dataclass(frozen=True)
class OutboundResponse:
    """What the other side said: its status, its wish for a later try in seconds, the beginning of its body."""

    status: int
    retry_after_s: float
    body: str


class AddressBlocked(Exception):
    """The address must not be reached from here."""


class RequestFailed(Exception):
    """Nothing usable came back; says why, in words for the caller who gave the address."""


class OutboundClient:
    """Sends requests to addresses that callers chose. `allow_private` also allows http; `timeout_s` is for all of it.

    It may be used from many threads at once, but not on an event loop.
    """

    def __init__(self, *, allow_private: bool, timeout_s: float = 15.0) -> None:
        self.policy = _policy(allow_private)
        self.timeout_s = timeout_s
        self._tls = httpx.create_ssl_context()  # once: reading all authorities takes longer than many a request

    def check(self, url: str, param: str) -> None:
        """Refuse an address that may not be reached: by its look, and by what its name resolves to right now.

        Raises InvalidRequest `url_not_allowed`. A name that does not resolve at this moment is let through: it is
        resolved and checked again, and pinned, when the request is made.
        """
        try:
            with suppress(OSError):
                resolve(self.policy.check_url(url), policy=self.policy, resolver=_lookup_within(CHECK_TIMEOUT_S))
        except (SSRFGuardError, ValueError) as error:
            message = f"{param} must be a public https URL without credentials: {_reason(error)}"
            raise InvalidRequest(message, param, "url_not_allowed") from error

    def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> OutboundResponse:
        """POST `content`. Raises Blocked for a forbidden address and RequestFailed.

        Of its body only the first piece that comes is read, packed as it is: nobody can make us wait or unpack.
        """
        return self._in_time(self._post(url, content, headers))

    def fetch(self, url: str, limit_bytes: int) -> bytes:
        """Downloads a file. Raises AddressBlocked for a forbidden address, RequestFailed if there is no file."""
        return self._in_time(self._fetch(url, limit_bytes))

    def _in_time(self, exchange: Coroutine[Any, Any, T]) -> T:
        async def limited() -> T:
            async with asyncio.timeout(self.timeout_s):
                return await exchange

        try:
            return asyncio.run(limited())
        except (SSRFGuardError, httpx.InvalidURL) as error:
            raise AddressBlocked(_reason(error)) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise RequestFailed(f"no answer within {self.timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise RequestFailed(_what_happened(error)) from error

    def _client(self) -> AsyncClient:
        """A client that knows nothing of the environment: no proxy, no .netrc, no cookies of an earlier answer."""
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
            client.stream("POST", url, content=content, headers={**ABOUT_US, **headers}) as answer,
        ):
            return OutboundResponse(
                answer.status_code, _seconds(answer.headers.get("retry-after")), await _beginning(answer)
            )

    async def _fetch(self, url: str, limit_bytes: int) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._client() as client, client.stream("GET", url, headers=ABOUT_US) as answer:
                if not answer.has_redirect_location:
                    return await _content(answer, limit_bytes)
                url = str(answer.url.join(answer.headers["location"]))
        raise RequestFailed(f"it leads on more than {MAX_REDIRECTS} times")


async def _beginning(answer: httpx.Response) -> str:
    """The first words of the body. The status has been said: a body that stalls or breaks off changes nothing."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(BODY_PATIENCE_S):
            async for piece in answer.aiter_raw():
                return piece[:200].decode("utf-8", "replace")
    return ""


async def _content(answer: httpx.Response, limit_bytes: int) -> bytes:
    if answer.status_code != 200:
        raise RequestFailed(f"the answer was {answer.status_code}")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise RequestFailed("the answer was packed, though that was not asked for")
    data = bytearray()
    async for piece in answer.aiter_raw():
        data += piece
        if len(data) > limit_bytes:
            raise RequestFailed(f"it is larger than {limit_bytes} bytes")
    return bytes(data)


def _policy(allow_private: bool) -> Policy:
    if allow_private:
        schemes = frozenset({"http", "https"})
        return Policy(allowed_schemes=schemes, allowed_networks=ANYWHERE, allowed_ports=ALL_PORTS)
    return Policy(allowed_schemes=frozenset({"https"}), allowed_ports=frozenset({443, 8443}))


def _lookup_within(timeout_s: float) -> Callable[..., Any]:
    """`socket.getaddrinfo`, given up after a while: the system's own waits as long as a name server pleases."""

    def look_up(*question: Any, **options: Any) -> Any:
        found: SimpleQueue[Any] = SimpleQueue()

        def look() -> None:
            try:
                found.put(socket.getaddrinfo(*question, **options))
            except Exception as error:  # noqa: BLE001 - handed to the one who waits
                found.put(error)

        Thread(target=look, daemon=True, name="lookup").start()
        try:
            answer = found.get(timeout=timeout_s)
        except Empty:
            raise socket.gaierror(socket.EAI_AGAIN, "the name server does not answer") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    return look_up


def _reason(error: Exception) -> str:
    """Why an address was refused; the error's own words would repeat a password in the URL."""
    return str(getattr(error, "reason", "it is no URL"))


def _what_happened(error: Exception) -> str:
    """The innermost cause in a few words: a receiver's owner can do something with "certificate has expired"."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate was refused: {cause.verify_message}"
        if isinstance(cause, socket.gaierror):
            return "its name does not resolve"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return "it could not be connected to"
    broke_off = isinstance(error, httpx.NetworkError) or "disconnected" in str(error) or "closed" in str(error)
    return "it broke the connection off" if broke_off else "it does not speak HTTP"


def _seconds(retry_after: str | None) -> float:
    """A Retry-After header in seconds from now, a day at most; 0 without one that makes sense."""
    try:
        wish = float(retry_after or 0)
    except ValueError:
        wish = _until(str(retry_after))
    return max(0.0, min(wish, MAX_RETRY_AFTER_S)) if math.isfinite(wish) else 0.0


def _until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
