"""A TCP proxy that breaks connections: after a number of bytes of an answer, or before the first one."""

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self
from urllib.parse import urlsplit

CHUNK = 4096


@contextmanager
def closing_both(*sockets: socket.socket) -> Iterator[None]:
    """Ends these connections also for a thread that reads from one of them."""
    try:
        yield
    finally:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Interruptions:
    """Forwards connections to `target`. Each number in `cuts` breaks one connection after so many bytes of answers."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self.target = (str(parts.hostname), int(parts.port or 80))
        self.cuts: deque[int] = deque()
        self.requests: list[bytes] = []  # the first bytes of each connection
        self.server = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """The address of the proxy."""
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                threading.Thread(target=self._forward, args=[client], daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with (
            client,
            socket.create_connection(self.target) as upstream,
            suppress(OSError),
            closing_both(client, upstream),
        ):
            first = client.recv(65536)
            self.requests.append(first)
            rest = self.cuts.popleft() if first and self.cuts else None
            upstream.sendall(first)
            threading.Thread(target=self._pump, args=[client, upstream], daemon=True).start()
            while rest is None or rest > 0:
                chunk = upstream.recv(CHUNK if rest is None else min(CHUNK, rest))
                if not chunk:
                    return
                client.sendall(chunk)
                rest = None if rest is None else rest - len(chunk)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
