"""Sends requests over some connections, each as soon as the answer before it has come. Costs little CPU itself."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import cast
from urllib.parse import urlsplit

import uvloop

HEAD_END = b"\r\n\r\n"
GOOD = (b"20", b"30")
TIMEOUT_S = 60.0


class _Connection(asyncio.Protocol):
    """The next of `requests` goes out when an answer is whole; the last answer is what `done` gets."""

    def __init__(self, requests: Iterator[bytes], done: "asyncio.Future[bytes]") -> None:
        self.requests = requests
        self.done = done
        self.came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.came += data
        head, end, body = self.came.partition(HEAD_END)
        if not end or len(body) < _length(head):
            return
        if head[9:11] not in GOOD:
            self._finish(RuntimeError(self.came.decode()))
            return
        if (request := next(self.requests, None)) is None:
            self._finish(None)
            return
        self.came = b""
        self.transport.write(request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("the server hung up"))

    def _finish(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(self.came)
        self.transport.close()


def drive(urls: Sequence[str], make: Callable[[int], bytes], count: int, connections: int) -> None:
    """Send `make(0)` to `make(count - 1)`, in turns to all `urls`. Raises RuntimeError for an answer above 399."""
    requests = iter([make(index) for index in range(count)])
    uvloop.run(_all([urls[number % len(urls)] for number in range(connections)], requests))


def request(url: str, request: bytes) -> bytes:
    """The whole answer to one request. Raises RuntimeError for one above 399, OSError without a listener."""
    return uvloop.run(_all([url], iter([request])))[0]


async def _all(urls: Sequence[str], requests: Iterator[bytes]) -> list[bytes]:
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[bytes]] = []
    for url in urls:
        done = loop.create_future()
        address = urlsplit(url)
        await loop.create_connection(lambda done=done: _Connection(requests, done), address.hostname, address.port)  # type: ignore[misc]
        ends.append(done)
    async with asyncio.timeout(TIMEOUT_S):
        return await asyncio.gather(*ends)


def _length(head: bytes) -> int:
    """What the head of an answer says of its body, in bytes."""
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 : at + 30].split(b"\r\n")[0]) if at >= 0 else 0
