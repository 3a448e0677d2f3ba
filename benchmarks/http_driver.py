"""Sends requests over several connections, each as soon as the previous response is complete. Uses little CPU."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import cast
from urllib.parse import urlsplit

import uvloop

HEAD_END = b"\r\n\r\n"
SUCCESS = (b"20", b"30")
TIMEOUT_S = 60.0


class _Connection(asyncio.Protocol):
    """Sends the next of `requests` after each complete response; the last response is the result of `done`."""

    def __init__(self, requests: Iterator[bytes], done: "asyncio.Future[bytes]") -> None:
        self.requests = requests
        self.done = done
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(HEAD_END)
        if not end or len(body) < _length(head):
            return
        if head[9:11] not in SUCCESS:
            self._finish(RuntimeError(self.received.decode()))
            return
        if (request := next(self.requests, None)) is None:
            self._finish(None)
            return
        self.received = b""
        self.transport.write(request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("the server closed the connection"))

    def _finish(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(self.received)
        self.transport.close()


def drive(urls: Sequence[str], build: Callable[[int], bytes], count: int, connections: int) -> None:
    """Sends `build(0)` to `build(count - 1)` to all `urls` in turn. Raises RuntimeError for a status above 399."""
    requests = iter([build(index) for index in range(count)])
    uvloop.run(_all([urls[number % len(urls)] for number in range(connections)], requests))


def request(url: str, request: bytes) -> bytes:
    """The whole response to one request. Raises RuntimeError for a status above 399, OSError without a listener."""
    return uvloop.run(_all([url], iter([request])))[0]


async def _all(urls: Sequence[str], requests: Iterator[bytes]) -> list[bytes]:
    loop = asyncio.get_running_loop()
    responses: list[asyncio.Future[bytes]] = []
    for url in urls:
        done = loop.create_future()
        address = urlsplit(url)
        await loop.create_connection(lambda done=done: _Connection(requests, done), address.hostname, address.port)  # type: ignore[misc]
        responses.append(done)
    async with asyncio.timeout(TIMEOUT_S):
        return await asyncio.gather(*responses)


def _length(head: bytes) -> int:
    """The content length of a response in bytes, read from its head."""
    start = head.lower().find(b"content-length:")
    return int(head[start + 15 : start + 30].split(b"\r\n")[0]) if start >= 0 else 0
