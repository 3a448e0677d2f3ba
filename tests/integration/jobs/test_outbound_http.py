"""No URL of a caller reaches the private network, for any spelling and any DNS result."""

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import trustme
from ssrfguard import Policy

from cli.stack.ports import free_port
from jobs import outbound_http
from jobs.errors import InvalidRequest
from jobs.outbound_http import AddressBlocked, OutboundClient, RequestFailed

PRIVATE = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "[fe80::1]",
    "[fd00::1]",
    "[64:ff9b::a9fe:a9fe]",
    "[::]",
    "[2002:7f00:1::]",
    "127。0。0。1",
]
MALFORMED = [
    "http://example.com/hook",
    "http://example.com:443/hook",
    "http://example.com:8443/hook",
    "ftp://example.com/hook",
    "file:///etc/passwd",
    "https://user:secret@example.com/hook",
    "https://example.com:22/hook",
    "https://example.com:80/hook",
    "https://example.com:444/hook",
    "https:///hook",
    "not a url",
    "",
    "https://exa mple.com/",
    "https://example.com\n/",
    "https://" + "a" * 70_000,
]
PUBLIC_ADDRESS = "93.184.216.34"


def resolves_to(*addresses: str) -> Any:
    """Replaces the system resolver: it returns the addresses one after the other, then the last one again."""
    left = list(addresses)

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        address = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return getaddrinfo


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver on a slow machine sends its body long after the status."""
    monkeypatch.setattr(outbound_http, "BODY_TIMEOUT_S", 120.0)


@pytest.fixture(scope="module")
def guarded() -> OutboundClient:
    return OutboundClient(allow_private=False, timeout_s=120)


@pytest.fixture(scope="module")
def unguarded() -> OutboundClient:
    return OutboundClient(allow_private=True, timeout_s=120)


class Receiver(BaseHTTPRequestHandler):
    """Responds by path and records its requests."""

    requests: list[tuple[str, bytes, str | None]]
    authorizations: list[str | None]
    ended: threading.Event  # of the test

    def parse_request(self) -> bool:
        is_valid = super().parse_request()
        self.authorizations.append(self.headers.get("authorization") if is_valid else None)
        return is_valid

    def do_GET(self) -> None:
        self.requests.append((self.path, b"", self.headers.get("cookie")))
        name, _, value = self.path[1:].partition("?")
        if name == "to":
            self.send(302, b"", ("location", unquote(value)), ("set-cookie", "a=b"))
        else:
            getattr(self, f"answer_{name}")()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.requests.append((self.path, body, self.headers.get("webhook-id")))
        getattr(self, f"answer_{self.path[1:]}")()

    def answer_ok(self) -> None:
        self.send(200, b"thank you")

    def answer_busy(self) -> None:
        self.send(429, b"later", ("retry-after", "120"))

    def answer_busy_for_ever(self) -> None:
        self.send(503, b"", ("retry-after", "99999999999"))

    def answer_busy_until_a_date(self) -> None:
        self.send(503, b"", ("retry-after", formatdate(time.time() + 600, usegmt=True)))

    def answer_busy_until_last_year(self) -> None:
        self.send(503, b"", ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"))

    def answer_wait(self) -> None:
        """Sends the header of the request back as Retry-After."""
        self.send(503, b"", ("retry-after", self.headers["wait"]))

    def answer_brotli(self) -> None:
        self.send(200, b"not really", ("content-encoding", "br"))

    def answer_zstd(self) -> None:
        self.send(200, b"not really", ("content-encoding", "zstd"))

    def answer_hangup(self) -> None:
        """Closes before the status, without a reset."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer_drop(self) -> None:
        """Sends status 200 and closes before the body."""
        self.send_response(200)
        self.send_header("content-length", "100")
        self.end_headers()
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def answer_reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def answer_stall(self) -> None:
        """Sends status 200 and no body."""
        self.send_response(200)
        self.send_header("content-length", "100")
        self.end_headers()
        self.wfile.flush()
        self.ended.wait(240)

    def answer_slow_headers(self) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nx-slow: " + b"y" * 1000:
            self.wfile.write(bytes([letter]))
            self.wfile.flush()
            time.sleep(0.1)

    def answer_redirect(self) -> None:
        self.send(307, b"", ("location", "/ok"))

    def answer_huge(self) -> None:
        self.send(200, b"x" * 50_000_000)

    def answer_bomb(self) -> None:
        self.send(200, gzip.compress(bytes(20_000_000), 9), ("content-encoding", "gzip"))

    def answer_drip(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "100000")
        self.end_headers()
        while True:  # until the client closes
            self.wfile.write(b".")
            self.wfile.flush()
            time.sleep(0.2)

    def answer_silence(self) -> None:
        self.ended.wait(240)

    def send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("content-length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class QuietServer(ThreadingHTTPServer):
    """Ignores clients that close early."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None: ...


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A receiver on a free port, with `tls` by https; yields its host and port."""
    server = QuietServer(("127.0.0.1", 0), Receiver)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def receiver() -> Iterator[str]:
    Receiver.requests, Receiver.authorizations, Receiver.ended = [], [], threading.Event()
    with serving() as address:
        yield f"http://{address}"
    Receiver.ended.set()


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused_beforehand(guarded: OutboundClient, host: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        guarded.check(f"https://{host}/hook", "webhook.url")
    assert (refusal.value.code, refusal.value.param) == ("url_not_allowed", "webhook.url")


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused_when_connecting(guarded: OutboundClient, host: str) -> None:
    with pytest.raises(AddressBlocked):
        guarded.post(f"https://{host}/hook", b"{}", {})


@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_that_is_not_public_https_is_refused(guarded: OutboundClient, url: str) -> None:
    with pytest.raises(InvalidRequest):
        guarded.check(url, "webhook.url")


@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_that_is_not_public_https_is_never_requested(guarded: OutboundClient, url: str) -> None:
    with pytest.raises(AddressBlocked):
        guarded.post(url, b"{}", {})


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://[fd00::1]/hook", "its address is not public"),
        ("https://127.0.0.1/hook", "its address is not public"),
        ("https:///hook", "its host is not a name"),
        ("https://example.com:22/hook", "its port must be 443"),
        ("ftp://example.com/hook", "its scheme must be https"),
        ("https://user:secret@example.com/hook", "it has credentials"),
        ("https://example.com:99999/hook", "it is not a URL"),
        ("https://example.com:-1/hook", "it is not a URL"),
        ("https://[fd00::1/hook", "it is not a URL"),
    ],
)
def test_a_refusal_names_the_fault_of_a_url(guarded: OutboundClient, url: str, fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        guarded.check(url, "webhook.url")


@pytest.mark.parametrize("port", [1, 80, 65_535])
def test_with_private_addresses_any_port_is_allowed(unguarded: OutboundClient, connected: list[str], port: int) -> None:
    with pytest.raises(RequestFailed):
        unguarded.post(f"http://127.0.0.1:{port}/hook", b"{}", {})
    assert connected == [f"127.0.0.1:{port}"]


def test_a_refusal_does_not_repeat_a_password(guarded: OutboundClient) -> None:
    url = "https://user:hush@example.com/hook"
    with pytest.raises(InvalidRequest) as refusal:
        guarded.check(url, "webhook.url")
    with pytest.raises(AddressBlocked) as block:
        guarded.post(url, b"{}", {})
    assert "hush" not in f"{refusal.value} {block.value}"


def test_a_name_that_resolves_to_a_private_address_is_refused(
    guarded: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to("10.1.2.3"))
    with pytest.raises(InvalidRequest):
        guarded.check("https://inside.example/hook", "webhook.url")
    with pytest.raises(AddressBlocked):
        guarded.post("https://inside.example/hook", b"{}", {})


def test_a_name_with_one_private_address_among_public_ones_is_refused(
    guarded: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [*resolves_to(PUBLIC_ADDRESS)("", 443), *resolves_to("127.0.0.1")("", 443)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(InvalidRequest):
        guarded.check("https://both.example/hook", "webhook.url")


def test_a_name_that_turns_private_after_the_check_is_refused_when_connecting(
    guarded: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to(PUBLIC_ADDRESS, "127.0.0.1"))
    guarded.check("https://rebind.example/hook", "webhook.url")
    with pytest.raises(AddressBlocked):
        guarded.post("https://rebind.example/hook", b"{}", {})


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses and ports of all connections, each of which is refused."""
    addresses: list[str] = []

    def refuse(self: socket.socket, address: Any) -> None:
        addresses.append(f"{address[0]}:{address[1]}")
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return addresses


def test_the_socket_goes_to_the_address_that_was_checked(
    guarded: OutboundClient, connected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to(PUBLIC_ADDRESS, "127.0.0.1"))
    with pytest.raises(RequestFailed):
        guarded.post("https://rebind.example/hook", b"{}", {})
    assert connected == [f"{PUBLIC_ADDRESS}:443"]


def test_a_name_that_does_not_resolve_right_now_may_be_submitted(
    guarded: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    guarded.check("https://later.example/hook", "webhook.url")
    with pytest.raises(RequestFailed):
        guarded.post("https://later.example/hook", b"{}", {})


@pytest.mark.parametrize("port", [443, 8443])
@pytest.mark.parametrize("method", ["post", "fetch"])
def test_the_two_ports_of_https_are_allowed(
    guarded: OutboundClient, connected: list[str], monkeypatch: pytest.MonkeyPatch, port: int, method: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to(PUBLIC_ADDRESS))
    url = f"https://public.example:{port}/hook"
    guarded.check(url, "webhook.url")
    with pytest.raises(RequestFailed):
        guarded.post(url, b"{}", {}) if method == "post" else guarded.fetch(url, 1000)
    assert connected == [f"{PUBLIC_ADDRESS}:{port}"]


@pytest.mark.parametrize("method", ["post", "fetch"])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_in_the_environment_is_not_used(
    guarded: OutboundClient, connected: list[str], monkeypatch: pytest.MonkeyPatch, method: str, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to(PUBLIC_ADDRESS))
    url = "https://public.example/hook"
    with pytest.raises(RequestFailed, match="no connection could be opened"):
        guarded.post(url, b"{}", {}) if method == "post" else guarded.fetch(url, 1000)
    assert connected == [f"{PUBLIC_ADDRESS}:443"]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_carries_a_request_in_development(
    unguarded: OutboundClient, receiver: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0)
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert unguarded.post(f"{receiver}/ok", b"{}", {}).status == 200
        with pytest.raises(BlockingIOError):  # without a connection
            proxy.accept()


def test_a_netrc_file_adds_no_credentials(
    unguarded: OutboundClient, receiver: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text("machine 127.0.0.1 login me password hush\ndefault login me password hush\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    unguarded.post(f"{receiver}/ok", b"{}", {})
    unguarded.fetch(f"{receiver}/ok", 1000)
    assert Receiver.authorizations == [None, None]


def test_an_event_arrives_with_its_headers(unguarded: OutboundClient, receiver: str) -> None:
    answer = unguarded.post(f"{receiver}/ok", b'{"a":1}', {"webhook-id": "evt_1"})
    assert (answer.status, answer.body) == (200, "thank you")
    assert Receiver.requests == [("/ok", b'{"a":1}', "evt_1")]


def test_private_addresses_may_be_allowed_for_development(unguarded: OutboundClient, receiver: str) -> None:
    unguarded.check(f"{receiver}/ok", "webhook.url")


def test_a_webhook_follows_no_redirect(unguarded: OutboundClient, receiver: str) -> None:
    assert unguarded.post(f"{receiver}/redirect", b"{}", {}).status == 307
    assert [path for path, *_ in Receiver.requests] == ["/redirect"]


def test_retry_after_is_returned(unguarded: OutboundClient, receiver: str) -> None:
    answer = unguarded.post(f"{receiver}/busy", b"{}", {})
    assert (answer.status, answer.retry_after_s) == (429, 120)


def test_retry_after_is_a_day_at_most(unguarded: OutboundClient, receiver: str) -> None:
    assert unguarded.post(f"{receiver}/busy_for_ever", b"{}", {}).retry_after_s == 86_400


def test_retry_after_may_be_a_date(unguarded: OutboundClient, receiver: str) -> None:
    assert 500 < unguarded.post(f"{receiver}/busy_until_a_date", b"{}", {}).retry_after_s <= 600


@pytest.mark.parametrize(
    "value",
    [
        "nan",
        "inf",
        "-5",
        "soon",
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "Wed, 99 Oct 2030 07:28:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_an_invalid_retry_after_is_ignored(unguarded: OutboundClient, receiver: str, value: str) -> None:
    assert unguarded.post(f"{receiver}/wait", b"{}", {"wait": value}).retry_after_s == 0


@pytest.mark.parametrize(("value", "expected"), [("0", 0.0), ("1", 1.0), ("0.5", 0.5), ("86400", 86_400.0)])
def test_retry_after_is_a_number_of_seconds(
    unguarded: OutboundClient, receiver: str, value: str, expected: float
) -> None:
    assert unguarded.post(f"{receiver}/wait", b"{}", {"wait": value}).retry_after_s == expected


def test_a_response_without_retry_after_may_be_repeated_at_once(unguarded: OutboundClient, receiver: str) -> None:
    assert unguarded.post(f"{receiver}/ok", b"{}", {}).retry_after_s == 0


def test_only_the_beginning_of_a_huge_body_is_read(unguarded: OutboundClient, receiver: str) -> None:
    assert unguarded.post(f"{receiver}/huge", b"{}", {}).body == "x" * 200


def test_a_compressed_response_is_not_decompressed(unguarded: OutboundClient, receiver: str) -> None:
    assert unguarded.post(f"{receiver}/bomb", b"{}", {}).body.startswith("\x1f")  # the first byte of gzip


def test_a_slow_body_is_not_read_to_its_end(unguarded: OutboundClient, receiver: str) -> None:
    assert set(unguarded.post(f"{receiver}/drip", b"{}", {}).body) == {"."}


@pytest.mark.parametrize("kind", ["drop", "stall"])
def test_a_status_without_its_body_is_a_response(
    unguarded: OutboundClient, receiver: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound_http, "BODY_TIMEOUT_S", 0.2)
    answer = unguarded.post(f"{receiver}/{kind}", b"{}", {})
    assert (answer.status, answer.body) == (200, "")


@pytest.mark.parametrize("how", ["reset", "hangup"])
def test_a_closed_connection_is_reported(unguarded: OutboundClient, receiver: str, how: str) -> None:
    with pytest.raises(RequestFailed, match="closed the connection"):
        unguarded.post(f"{receiver}/{how}", b"{}", {})


def test_a_whole_exchange_takes_fifteen_seconds_at_most_by_default() -> None:
    assert OutboundClient(allow_private=True).timeout_s == 15.0


def test_the_result_of_an_exchange_cannot_be_changed(unguarded: OutboundClient, receiver: str) -> None:
    answer = unguarded.post(f"{receiver}/ok", b"{}", {})
    with pytest.raises(FrozenInstanceError):
        answer.status = 500  # type: ignore[misc]


def test_slow_headers_time_out(receiver: str) -> None:
    with pytest.raises(RequestFailed, match="within 1 s"):  # each of its bytes comes well within that
        OutboundClient(allow_private=True, timeout_s=1).post(f"{receiver}/slow_headers", b"{}", {})


def test_a_silent_name_server_times_out(guarded: OutboundClient, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(60))
    monkeypatch.setattr(outbound_http, "LOOKUP_TIMEOUT_S", 0.1)
    with pytest.raises(RequestFailed, match="does not resolve"):
        guarded.post("https://silent.example/hook", b"{}", {})
    lookups = [thread for thread in threading.enumerate() if thread.name == "lookup"]
    assert lookups
    assert all(thread.daemon for thread in lookups)  # the end of the process does not wait for them
    released.set()


def test_a_receiver_without_tls_is_reported(receiver: str, unguarded: OutboundClient) -> None:
    with pytest.raises(RequestFailed, match="no connection could be opened"):
        unguarded.post(receiver.replace("http://", "https://"), b"{}", {})


NOW = datetime.now(UTC)


def certificate_of(fault: str, authority: trustme.CA) -> tuple[bytes, bytes]:
    """The certificates that a receiver sends, and its key. Some faults need an authority that the client trusts."""
    if fault == "self-signed":
        stranger = trustme.CA()
        return stranger.cert_pem.bytes(), stranger.private_key_pem.bytes()
    valid = {"not_before": NOW - timedelta(days=9), "not_after": NOW + timedelta(days=9)}
    name = {"other host": "other.example", "other address": "10.0.0.1"}.get(fault, "127.0.0.1")
    dates = {
        "expired": {**valid, "not_after": NOW - timedelta(days=1)},
        "of the future": {**valid, "not_before": NOW + timedelta(days=1)},
    }.get(fault, valid)
    issuer = trustme.CA() if fault.startswith("unknown issuer") else authority
    leaf = issuer.issue_cert(name, **dates)
    chain = b"".join(part.bytes() for part in leaf.cert_chain_pems)
    sent_issuer = issuer.cert_pem.bytes() if fault == "unknown issuer, sent" else b""
    return chain + sent_issuer, leaf.private_key_pem.bytes()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("of the future", "it is not valid yet"),
        ("expired", "it has expired"),
        ("self-signed", "its issuer is not known"),
        ("unknown issuer", "its issuer is not known"),
        ("unknown issuer, sent", "its issuer is not known"),
        ("other host", "it is for another host"),
        ("other address", "it is for another address"),
    ],
)
def test_the_fault_of_a_certificate_is_reported(tmp_path: Path, fault: str, reason: str) -> None:
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain, key = certificate_of(fault, authority)
    (tmp_path / "receiver.pem").write_bytes(chain + key)
    server.load_cert_chain(tmp_path / "receiver.pem")
    client = OutboundClient(allow_private=True, timeout_s=120)
    client._tls = ssl.create_default_context()  # of this client alone
    authority.configure_trust(client._tls)
    host = "localhost" if fault == "other host" else "127.0.0.1"
    with serving(server) as address, pytest.raises(RequestFailed) as failure:
        client.post(f"https://{address.replace('127.0.0.1', host)}/ok", b"{}", {})
    assert str(failure.value) == f"its certificate is not accepted: {reason}"


def test_a_silent_receiver_times_out(receiver: str) -> None:
    with pytest.raises(RequestFailed, match=r"within 0\.2 s"):
        OutboundClient(allow_private=True, timeout_s=0.2).post(f"{receiver}/silence", b"{}", {})


def test_a_missing_receiver_is_reported(unguarded: OutboundClient) -> None:
    with pytest.raises(RequestFailed):
        unguarded.post(f"http://127.0.0.1:{free_port()}/", b"{}", {})


# ---- downloads


@pytest.fixture
def local_only() -> OutboundClient:
    """A client that may reach one private address, also by http."""
    client = OutboundClient(allow_private=False, timeout_s=120)
    loopback = (ip_network("127.0.0.1/32"),)
    client.policy = Policy(
        allowed_schemes=frozenset({"http", "https"}), allowed_networks=loopback, allowed_ports=outbound_http.ALL_PORTS
    )
    return client


@pytest.mark.parametrize("host", PRIVATE)
def test_no_file_is_downloaded_from_a_private_address(guarded: OutboundClient, host: str) -> None:
    with pytest.raises(AddressBlocked):
        guarded.fetch(f"https://{host}/cat.png", 1000)


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "0xa000001", "0.0.0.0"])
def test_no_redirect_reaches_a_private_address(local_only: OutboundClient, receiver: str, host: str) -> None:
    with pytest.raises(AddressBlocked):
        local_only.fetch(f"{receiver}/to?{quote(f'http://{host}/latest/meta-data')}", 1000)


@pytest.fixture
def https_only() -> Iterator[tuple[OutboundClient, str]]:
    """A client with the rules of production, but for one private address, and a receiver there that has https."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    client = OutboundClient(allow_private=False, timeout_s=120)
    client._tls = ssl.create_default_context()  # of this client alone
    authority.configure_trust(client._tls)
    loopback = (ip_network("127.0.0.1/32"),)
    client.policy = replace(client.policy, allowed_networks=loopback, allowed_ports=outbound_http.ALL_PORTS)
    with serving(context) as address:
        yield client, f"https://{address}"


def test_a_redirect_from_https_to_https_is_followed(https_only: tuple[OutboundClient, str], receiver: str) -> None:
    client, url = https_only
    assert client.fetch(f"{url}/to?{quote(f'{url}/ok')}", 1000) == b"thank you"


def test_no_redirect_leads_from_https_to_http(https_only: tuple[OutboundClient, str], receiver: str) -> None:
    client, url = https_only
    with pytest.raises(AddressBlocked):
        client.fetch(f"{url}/to?{quote(f'{receiver}/ok')}", 1000)
    assert [path.partition("?")[0] for path, *_ in Receiver.requests] == ["/to"]


def test_a_redirect_is_followed_without_cookies(local_only: OutboundClient, receiver: str) -> None:
    assert local_only.fetch(f"{receiver}/to?/ok", 1000) == b"thank you"
    assert [(path, cookie) for path, _, cookie in Receiver.requests] == [("/to?/ok", None), ("/ok", None)]


def test_three_redirects_are_followed_and_no_fourth(local_only: OutboundClient, receiver: str) -> None:
    chain = "/ok"
    for _ in range(3):
        chain = f"/to?{quote(chain)}"
    assert local_only.fetch(f"{receiver}{chain}", 1000) == b"thank you"
    with pytest.raises(RequestFailed, match="redirects more than"):
        local_only.fetch(f"{receiver}/to?{quote(chain)}", 1000)


def test_a_name_that_turns_private_for_the_download_is_refused(
    guarded: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to(PUBLIC_ADDRESS, "127.0.0.1"))
    guarded.check("https://rebind.example/cat.png", "image")
    with pytest.raises(AddressBlocked):
        guarded.fetch("https://rebind.example/cat.png", 1000)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("huge", "larger than 1000 bytes"),
        ("bomb", "compressed"),
        ("brotli", "compressed"),
        ("zstd", "compressed"),
        ("busy", "429"),
        ("drop", "closed the connection|HTTP"),
    ],
)
def test_an_incomplete_file_is_refused_with_the_reason(
    local_only: OutboundClient, receiver: str, path: str, why: str
) -> None:
    with pytest.raises(RequestFailed, match=why):
        local_only.fetch(f"{receiver}/{path}", 1000)


def test_a_slow_file_times_out(local_only: OutboundClient, receiver: str) -> None:
    local_only.timeout_s = 0.5
    with pytest.raises(RequestFailed, match=r"within 0\.5 s"):
        local_only.fetch(f"{receiver}/drip", 1_000_000)
