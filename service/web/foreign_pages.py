"""A service without keys trusts its machine, so it must not obey web pages of other origins.

A browser on the machine reaches the service for any page that it shows. It names the page's origin in `Origin` and
`Sec-Fetch-Site`, and in `Host` the name that the page used for the service: an own name of an attacker can lead to
127.0.0.1 (DNS rebinding). Programs such as curl send neither of the first two.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from service.http.errors import problem_response

DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_SITES = frozenset({"same-origin", "none"})  # `none`: the user typed the address
READING = frozenset({"GET", "HEAD"})
SIGNED_FILES, WATCHED = "/files/", re.compile(r"/v1/videos/[^/]+/(?:events|playlist\.m3u8)")
Address = tuple[str, int | None]


class ForeignPageMiddleware:
    """Refuses requests of web pages of other origins, and names of hosts that are not those of the service: 403.

    `public_url` is the address of the service for callers. Pages of `origins` may use the service.
    """

    def __init__(self, app: ASGIApp, public_url: str, origins: Sequence[str]) -> None:
        self.app = app
        self.public_url = urlsplit(public_url)
        self.origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_signed = scope["method"] in READING and _is_signed_link(scope)
        message = self._refused_host(headers) or (None if is_signed else self._refused_page(headers, scope["method"]))
        if message is None:
            await self.app(scope, receive, send)
        else:
            await problem_response(scope["path"], "forbidden", message)(scope, receive, send)

    def _refused_host(self, headers: Headers) -> str | None:
        """Why the `Host` is refused; None if it is a name of this service, or absent, which no browser sends."""
        for host in headers.getlist("host"):
            address = _address(host)
            if host and (address is None or not self._is_own_name(address[0])):
                return (
                    f"the host {host[:100]!r} is not this service; use 127.0.0.1, or set EASYANIMATE_PUBLIC_URL, "
                    "or create API keys"
                )
        return None

    def _refused_page(self, headers: Headers, method: str) -> str | None:
        """Why a page may not send this request; None for programs, pages of the service, and visible navigation."""
        if method in READING and _is_navigation(headers):
            return None
        sent = headers.getlist("origin")
        if sent and all(origin.lower() in self.origins for origin in sent):
            return None
        sites = {site.strip().lower() for site in ",".join(headers.getlist("sec-fetch-site")).split(",")} - {""}
        if sites <= OWN_SITES and all(self._is_own_origin(origin, headers.getlist("host")) for origin in sent):
            return None
        return (
            "web pages of other origins may not use a service without keys; EASYANIMATE_CORS_ORIGINS lists origins "
            "that may, or create API keys"
        )

    def _is_own_name(self, name: str) -> bool:
        return name in ("localhost", _name(self.public_url.hostname or "")) or _is_loopback(name)

    def _is_own_origin(self, origin: str, hosts: Iterable[str]) -> bool:
        """Whether an origin is the address of this request, or the public one."""
        try:
            url = urlsplit(origin)
            page = _name(url.hostname or ""), url.port or DEFAULT_PORTS.get(url.scheme)
        except ValueError:
            return False
        if url.scheme not in DEFAULT_PORTS or url.path or url.query or "@" in url.netloc:
            return False
        own = {(name, port or DEFAULT_PORTS[url.scheme]) for name, port in filter(None, map(_address, hosts))}
        public = self.public_url
        if url.scheme == public.scheme:
            own.add((_name(public.hostname or ""), public.port or DEFAULT_PORTS[public.scheme]))
        return page in own


def _is_signed_link(scope: Scope) -> bool:
    """Whether the URL itself allows to read: the route refuses each signature and ticket that is not valid."""
    path = scope["path"]
    has_ticket = bool(QueryParams(scope["query_string"]).get("ticket"))
    return path.startswith(SIGNED_FILES) or (has_ticket and WATCHED.fullmatch(path) is not None)


def _is_navigation(headers: Headers) -> bool:
    """Whether the user follows a link: the response replaces the page, which cannot read it."""
    is_document = headers.get("sec-fetch-dest", "document").lower() == "document"
    return headers.get("sec-fetch-mode", "").lower() == "navigate" and is_document


def _address(host: str) -> Address | None:
    """Name and port of a `Host` header; None if it is malformed."""
    try:
        url = urlsplit(f"//{host}")
        name, port = url.hostname, url.port
    except ValueError:
        return None
    if not name or "@" in host or url.path or url.query or url.fragment:
        return None
    return _name(name), port


def _name(name: str) -> str:
    """A host name for comparison: lower case, without the dot at its end."""
    return name.lower().removesuffix(".")


def _is_loopback(name: str) -> bool:
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
