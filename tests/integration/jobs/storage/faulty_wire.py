"""An HTTP proxy with faults: it refuses requests, cuts connections, flips bits and delays responses."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import ClassVar
from urllib.parse import urlsplit

CHUNK_BYTES = 64 << 10
NOT_FORWARDED = {"connection", "transfer-encoding", "expect", "keep-alive"}


@dataclass(frozen=True)
class Fault:
    """A fault of one request with this method. A request with a `status` is not forwarded to the store."""

    method: str
    status: int = 0
    code: str = ""
    cut_upload: bool = False
    flip_upload: bool = False
    cut_download_at: int | None = None
    pause_s: float = 0.0


@dataclass
class Wire:
    """A proxied store at `url`. Each of `faults` happens once, in order; `permanent` ones happen after them.

    `hit_paths` has the path of each request that met a fault.
    """

    upstream: str
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    permanent: tuple[Fault, ...] = ()
    methods: list[str] = field(default_factory=list)
    hit_paths: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def next_fault(self, method: str, path: str = "") -> Fault | None:
        """The fault of a request with this method, if there is one; a fault of `faults` is used once."""
        with self.lock:
            self.methods.append(method)
            result = next((fault for fault in (*self.faults, *self.permanent) if fault.method == method), None)
            if result in self.faults:
                self.faults.remove(result)
            if result:
                self.hit_paths.append(path)
            return result


@contextmanager
def faulty_wire(upstream: str) -> Iterator[Wire]:
    """Starts a proxy of the store at `upstream`, without faults."""
    wire = Wire(upstream)

    class Handler(_Handler):
        proxied: ClassVar[Wire] = wire

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    wire.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores broken connections, which are intended."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxied: ClassVar[Wire]

    def log_message(self, *_: object) -> None:
        """Logs nothing."""

    def do_any(self) -> None:
        fault = self.proxied.next_fault(self.command, self.path)
        length = int(self.headers.get("content-length", 0))
        if fault and fault.cut_upload:
            return self._cut(length)
        body = self.rfile.read(length)
        if fault and fault.status:
            return self._refuse(fault)
        if fault and fault.flip_upload:
            body = bytes([body[0] ^ 1]) + body[1:]
        self._forward(body, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815  the names the server calls

    def _cut(self, length: int) -> None:
        """Sends half of the body to the store, then closes both connections."""
        with self._line() as line:
            line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self._headers():
                line.putheader(name, value)
            line.endheaders()
            line.send(self.rfile.read(length // 2))
        self.close_connection = True

    def _refuse(self, fault: Fault) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
        self.send_response(fault.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        with self._line() as line:
            line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self._headers():
                line.putheader(name, value)
            line.endheaders(body)
            response = line.getresponse()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in NOT_FORWARDED | {"date", "server"}:
                    self.send_header(name, value)
            data = response.read()
            if response.getheader("content-length") is None:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self._send_body(data, fault)

    def _send_body(self, data: bytes, fault: Fault | None) -> None:
        if fault and fault.cut_download_at is not None:
            self.wfile.write(data[: fault.cut_download_at])
            self.close_connection = True
            return
        for start in range(0, len(data), CHUNK_BYTES):
            self.wfile.write(data[start : start + CHUNK_BYTES])
            if fault:
                time.sleep(fault.pause_s)

    def _headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED]

    @contextmanager
    def _line(self) -> Iterator[HTTPConnection]:
        address = urlsplit(self.proxied.upstream)
        line = HTTPConnection(address.hostname or "", address.port, timeout=60)
        try:
            yield line
        finally:
            line.close()
