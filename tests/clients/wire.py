"""A proxy between clients and the service. It records each exchange, and can drop or replace responses.

It forwards the requests to the front ends in turn; the number of front ends must not matter to a client.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from threading import Thread
from typing import Any, Self

import httpx

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-encoding", "content-length", "date"}


@dataclass(frozen=True)
class Exchange:
    """One request and its response; header names are in lower case."""

    method: str
    path: str
    sent: dict[str, str]
    body: bytes
    status: int
    headers: dict[str, str]
    response: bytes

    @property
    def line(self) -> str:
        """Method and path, as in an access log."""
        return f"{self.method} {self.path}"

    def json(self) -> Any:
        """The parsed JSON of the response."""
        return json.loads(self.response)


Fault = Callable[[Exchange], Exchange | None]


def lost(_: Exchange) -> None:
    """Drops the response of an executed request."""


def replaced(status: int, **headers: str) -> Fault:
    """Replaces the response of an executed request."""

    def fault(real: Exchange) -> Exchange:
        response_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return Exchange(real.method, real.path, real.sent, real.body, status, response_headers, b"{}")

    return fault


class Wire:
    """A proxy on a free port in front of these addresses. `faults` apply to the next responses."""

    def __init__(self, targets: Sequence[str]) -> None:
        self.exchanges: list[Exchange] = []
        self.faults: deque[Fault] = deque()
        self.targets = cycle(targets)
        self.http = httpx.Client(timeout=120, trust_env=False)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = Thread(target=self.server.serve_forever, args=[0.05], daemon=True)

    @property
    def url(self) -> str:
        """The address of the proxy."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.http.close()

    def lines(self) -> list[str]:
        """Method and path of every request."""
        return [exchange.line for exchange in self.exchanges]

    def clear(self) -> None:
        """Removes the recorded exchanges and the faults, for the next test."""
        self.exchanges.clear()
        self.faults.clear()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Exchange | None:
        """Sends a request to the service and records the exchange; returns the response, or that of the next fault."""
        kept = {name: value for name, value in headers.items() if name not in HOP_BY_HOP}
        content = iter([body]) if "transfer-encoding" in headers else body  # chunked, as received
        response = self.http.request(method, next(self.targets) + path, headers=kept, content=content)
        response_headers = {name.lower(): value for name, value in response.headers.items()}
        real = Exchange(method, path, headers, body, response.status_code, response_headers, response.content)
        self.exchanges.append(real)
        return self.faults.popleft()(real) if self.faults else real

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                chunks = self.chunks() if "transfer-encoding" in headers else ()
                body = b"".join(chunks) or self.rfile.read(int(headers.get("content-length", 0)))
                exchange = wire.forward(self.command, self.path, headers, body)
                if exchange is None:
                    self.close_connection = True
                    return
                self.send_response(exchange.status)
                for name, value in exchange.headers.items():
                    if name not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(exchange.response)))
                self.end_headers()
                self.wfile.write(exchange.response)

            def chunks(self) -> Iterator[bytes]:
                while size := int(self.rfile.readline(), 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()

            do_GET = do_POST = do_DELETE = respond  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        return Handler
