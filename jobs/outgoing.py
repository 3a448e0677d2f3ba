"""The one door for requests that leave this service: addresses of callers, looked at before and while connecting.

https only, no credentials in the URL, every address the name resolves to must be public, the socket goes to the address
that was checked, and redirects are not followed. A development setting allows http and private addresses.
"""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network

from httpx import InvalidURL
from ssrfguard import Policy, SSRFGuardError, resolve
from ssrfguard.httpx import Client

from jobs.errors import InvalidRequest

ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
ALL_PORTS = frozenset(range(1, 65_536))
PLAIN = {"accept-encoding": "identity"}


@dataclass(frozen=True)
class Answer:
    """What the other side said: its status, its wish for a later try in seconds, the beginning of its body."""

    status: int
    retry_after_s: float
    body: str


class Blocked(Exception):
    """The address must not be reached from here."""


class Outgoing:
    """Sends requests to addresses that callers chose. `allow_private` is for development only."""

    def __init__(self, *, allow_private: bool, timeout_s: float = 15.0) -> None:
        self.policy = _policy(allow_private)
        self.timeout_s = timeout_s

    def check(self, url: str, param: str) -> None:
        """Refuse an address that may not be reached: by its look, and by what its name resolves to right now.

        Raises InvalidRequest `url_not_allowed`. A name that does not resolve at this moment is let through: it is
        resolved and checked again, and pinned, when the request is made.
        """
        try:
            with suppress(OSError):
                resolve(self.policy.check_url(url), policy=self.policy)
        except (SSRFGuardError, ValueError) as error:
            message = f"{param} must be a public https URL without credentials: {_reason(error)}"
            raise InvalidRequest(message, param, "url_not_allowed") from error

    def post(self, url: str, content: bytes, headers: dict[str, str]) -> Answer:
        """POST `content`. Raises Blocked for a forbidden address and httpx.HTTPError when there is no answer.

        Of its body only the first piece that comes is read, packed as it is: nobody can make us wait or unpack.
        """
        try:
            with (
                Client(policy=self.policy, timeout=self.timeout_s, follow_redirects=False) as client,
                client.stream("POST", url, content=content, headers={**headers, **PLAIN}) as answer,
            ):
                beginning = next(answer.iter_raw(), b"")
                return Answer(answer.status_code, _seconds(answer.headers.get("retry-after")), _text(beginning))
        except (SSRFGuardError, InvalidURL) as error:
            raise Blocked(_reason(error)) from error


def _policy(allow_private: bool) -> Policy:
    if allow_private:
        schemes = frozenset({"http", "https"})
        return Policy(allowed_schemes=schemes, allowed_networks=ANYWHERE, allowed_ports=ALL_PORTS)
    return Policy(allowed_schemes=frozenset({"https"}), allowed_ports=frozenset({443, 8443}))


def _reason(error: Exception) -> str:
    """Why an address was refused; the error's own words would repeat a password in the URL."""
    return str(getattr(error, "reason", "it is no URL"))


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, min(float(retry_after or 0), 86_400.0))
    except ValueError:  # an HTTP date: rare, and our own schedule does as well
        return 0.0


def _text(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace")
