"""Without keys, requests of foreign pages and for foreign host names are refused before any route runs."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.foreign_pages import ForeignPageMiddleware

Header = tuple[str, str]
OWN = "http://127.0.0.1:8000"
NAVIGATION = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]


class Recorder:
    """An application that counts its requests."""

    count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.count += 1
        await PlainTextResponse("ok")(scope, receive, send)


def status(headers: Iterable[Header], method: str = "POST", path: str = "/v1/videos", public_url: str = OWN) -> int:
    """The status of a request with exactly these headers."""
    inner = Recorder()
    app = ForeignPageMiddleware(inner, public_url, ["https://app.example"])
    code = asyncio.run(_status(app, method, path, [(n.lower().encode(), v.encode("latin-1")) for n, v in headers]))
    assert inner.count == (code == 200)
    return code


async def _status(app: ASGIApp, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> int:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": query.encode()}
    await app(scope, None, send)  # type: ignore[arg-type]
    return int(str(sent[0]["status"]))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:8000", "127.1.2.3:9", "localhost", "LOCALHOST:80", "localhost.", "localhost.:8000"),
        *("[::1]", "[::1]:8000", "[::ffff:127.0.0.1]:1", "[0:0:0:0:0:0:0:1]", ""),
    ],
)
def test_names_of_this_machine_are_hosts_of_the_service(host: str) -> None:
    assert status([("Host", host)]) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost"),
        *(
            "0.0.0.0",
            "[::]",
            "10.0.0.1",
            "[fe80::1]",
            "2130706433",
            "0x7f000001",
            "[::1",
            "a?b",
            "localhost@evil.example",
        ),
        *("evil.example@localhost", "localhost/evil", "localhost:99999", "127.0.0.1, evil.example", "xn--localhost"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_other_hosts_are_refused_also_for_navigation_and_signed_links(host: str, method: str) -> None:
    assert status([("Host", host), *NAVIGATION], method, "/files/a.mp4") == 403


def test_without_a_host_there_is_no_browser() -> None:
    assert status([]) == 200
    assert status([("Host", "localhost"), ("Host", "evil.example")]) == 403


@pytest.mark.parametrize("host", ["pub.example", "PUB.example:443", "pub.example.", "127.0.0.1:8000"])
def test_the_public_name_is_a_host_of_the_service_and_its_origin_is_no_foreign_one(host: str) -> None:
    public = "https://pub.example/video"
    assert status([("Host", host), ("Origin", "https://pub.example")], public_url=public) == 200
    assert status([("Host", host), ("Origin", "https://pub.example:444")], public_url=public) == 403
    assert status([("Host", "pub.example")]) == 403  # of another service


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8000", OWN),
        ("localhost:9000", "http://localhost:9000"),  # a forwarded port
        ("LocalHost:9000", "http://LOCALHOST.:9000"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "https://localhost:443"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_pages_of_the_service_itself_may_use_it(host: str, origin: str, site: str | None) -> None:
    sites = [("Sec-Fetch-Site", site)] if site else []
    assert status([("Host", host), ("Origin", origin), *sites]) == 200


FOREIGN = [
    *("https://evil.example", "http://127.0.0.1:8001", "http://localhost:8000", "http://evil.example:8000", "null", ""),
    *("http://127.0.0.1:8000.evil.example", "http://127.0.0.1:8000@evil.example", "file://", "http://[", "https://x:y"),
    *("chrome-extension://abc", "http://127.0.0.1:8000/", "http://127.0.0.1:8000 https://evil.example"),
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_requests_of_other_origins_are_refused(origin: str, method: str) -> None:
    assert status([("Host", "127.0.0.1:8000"), ("Origin", origin)], method) == 403
    assert status([("Host", "127.0.0.1:8000"), ("Origin", OWN), ("Origin", origin)], method) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "same-origin, cross-site", "other"])
@pytest.mark.parametrize("path", ["/v1/videos", "/", "/docs", "/metrics", "/healthz", "/nothing"])
def test_requests_that_a_browser_calls_foreign_are_refused_on_every_path(site: str, path: str) -> None:
    assert status([("Host", "localhost"), ("Sec-Fetch-Site", site)], "GET", path) == 403


def test_links_from_other_pages_open_the_service_but_neither_forms_nor_frames() -> None:
    headers = [("Host", "localhost"), *NAVIGATION]
    assert status([*headers, ("Sec-Fetch-Dest", "document")], "GET", "/") == 200
    assert status(headers, "HEAD", "/docs") == 200
    assert status(headers, "POST") == 403
    assert status([*headers, ("Sec-Fetch-Dest", "iframe")], "GET", "/") == 403


def test_signed_links_play_in_pages_of_other_origins() -> None:
    headers = [("Host", "localhost"), ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
    assert status(headers, "GET", "/files/results/a.mp4") == 200
    assert status(headers, "POST", "/files/results/a.mp4") == 403
    assert status(headers, "GET", "/filesystem") == 403


@pytest.mark.parametrize("path", ["events", "playlist.m3u8"])
def test_a_ticket_is_left_to_the_route_that_checks_it(path: str) -> None:
    headers = [("Host", "localhost"), ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
    assert status(headers, "GET", f"/v1/videos/video_1/{path}?ticket=a") == 200
    assert status(headers, "POST", f"/v1/videos/video_1/{path}?ticket=a") == 403
    assert status([("Host", "evil.example"), *headers[1:]], "GET", f"/v1/videos/video_1/{path}?ticket=a") == 403


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/v1/videos/video_1/events",
            "/v1/videos/video_1/events?ticket=",
            "/v1/videos/video_1/events?ticket=a&ticket=",
        ),
        *("/v1/videos/video_1?ticket=a", "/v1/videos/video_1/content?ticket=a", "/v1/videos?ticket=a"),
        *("/v1/videos/a/b/events?ticket=a", "/v1/videos/video_1/events/x?ticket=a", "/v1/models?ticket=a"),
    ],
)
def test_a_ticket_elsewhere_opens_nothing_for_foreign_pages(path: str) -> None:
    assert status([("Host", "localhost"), ("Sec-Fetch-Site", "cross-site")], "GET", path) == 403


def test_origins_of_the_setting_may_use_the_service() -> None:
    headers = [("Host", "localhost"), ("Sec-Fetch-Site", "cross-site")]
    assert status([*headers, ("Origin", "https://app.example")]) == 200
    assert status([*headers, ("Origin", "https://app.example.evil")]) == 403
    assert status([("Host", "evil.example"), ("Origin", "https://app.example")]) == 403


def test_programs_without_the_headers_of_browsers_are_not_concerned() -> None:
    assert status([("Host", "127.0.0.1:8000"), ("User-Agent", "curl/8.5")]) == 200
