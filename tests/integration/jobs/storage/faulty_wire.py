"""An HTTP proxy that spoils what goes through it: refuses, cuts, flips bits, dawdles.

Faults are used up one by one, or stand until they are taken away.
"""

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

PIECE_BYTES = 64 << 10
NOT_PASSED_ON = {"connection", "transfer-encoding", "expect", "keep-alive"}


@dataclass(frozen=True)
class Fault:
    """What happens to one request of this method. With a `status` the store never sees it."""

    method: str
    status: int = 0
    code: str = ""
    cut_upload: bool = False
    flip_upload: bool = False
    cut_download_at: int | None = None
    pause_s: float = 0.0


@dataclass
class Wire:
    """The way to a store: `url` in the place of its own. `faults` are met in order, then those that are `standing`."""

    upstream: str
    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    standing: tuple[Fault, ...] = ()
    seen: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def next_fault(self, method: str) -> Fault | None:
        with self.lock:
            self.seen.append(method)
            for fault in self.faults:
                if fault.method == method:
                    self.faults.remove(fault)
                    return fault
        return next((fault for fault in self.standing if fault.method == method), None)


@contextmanager
def faulty_wire(upstream: str) -> Iterator[Wire]:
    """A proxy before the store at `upstream`, with no faults yet."""
    wire = Wire(upstream)

    class Handler(_Handler):
        way: ClassVar[Wire] = wire

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
        """Lines that end in the middle are what it is for."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    way: ClassVar[Wire]

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_any(self) -> None:
        fault = self.way.next_fault(self.command)
        length = int(self.headers.get("content-length", 0))
        if fault and fault.cut_upload:
            return self._cut(length)
        body = self.rfile.read(length)
        if fault and fault.status:
            return self._refuse(fault)
        if fault and fault.flip_upload:
            body = bytes([body[0] ^ 1]) + body[1:]
        self._pass_on(body, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815  the names the server calls

    def _cut(self, length: int) -> None:
        """The store gets half of the body, then the line is dead on both sides."""
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

    def _pass_on(self, body: bytes, fault: Fault | None) -> None:
        with self._line() as line:
            line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self._headers():
                line.putheader(name, value)
            line.endheaders(body)
            answer = line.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in NOT_PASSED_ON | {"date", "server"}:
                    self.send_header(name, value)
            data = answer.read()
            if answer.getheader("content-length") is None:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self._answer(data, fault)

    def _answer(self, data: bytes, fault: Fault | None) -> None:
        if fault and fault.cut_download_at is not None:
            self.wfile.write(data[: fault.cut_download_at])
            self.close_connection = True
            return
        for start in range(0, len(data), PIECE_BYTES):
            self.wfile.write(data[start : start + PIECE_BYTES])
            if fault:
                time.sleep(fault.pause_s)

    def _headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON]

    @contextmanager
    def _line(self) -> Iterator[HTTPConnection]:
        there = urlsplit(self.way.upstream)
        line = HTTPConnection(there.hostname or "", there.port, timeout=60)
        try:
            yield line
        finally:
            line.close()
