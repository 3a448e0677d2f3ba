"""`python -m tests.pollers`: many clients poll one video through a proxy at the advised pace, and none loses a request.

Without `--url` it starts Redis, a front end, and nginx with `deploy/nginx.conf`. Each poller keeps one connection, and
opens a new one if the server closed it between two polls, as clients do. A request is lost if its response is missing,
incomplete, late, or an error. The exit code is 1 if one was lost.
"""

import argparse
import asyncio
import resource
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from redis import Redis

from cli.stack.ports import free_port
from cli.stack.process import ManagedProcess
from cli.stack.redis_server import EmbeddedRedis
from jobs.queue.registry import Registry
from tests.proxies import nginx
from tests.small_card import small_card

GAP_S, TIMEOUT_S, START_S = 5.0, 30.0, 60.0
KEY = "sk-of-the-pollers"


@dataclass
class Outcome:
    """What became of all polls."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    losses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """The record to poll, and how to connect to its server."""

    url: str
    tls: ssl.SSLContext | None
    key: str

    @property
    def request(self) -> bytes:
        """The bytes of one poll."""
        parts = urlsplit(self.url)
        return f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {self.key}\r\n\r\n".encode()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return await asyncio.open_connection(parts.hostname, port, ssl=self.tls)


async def poll_all(target: Target, pollers: int, seconds: float) -> Outcome:
    """Polls from `pollers` clients for this time; they start evenly within one gap."""
    outcome, ends_at = Outcome(), time.monotonic() + seconds
    await asyncio.gather(*(_poll(target, outcome, GAP_S * place / pollers, ends_at) for place in range(pollers)))
    return outcome


async def _poll(target: Target, outcome: Outcome, delay_s: float, ends_at: float) -> None:
    await asyncio.sleep(delay_s)
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while time.monotonic() < ends_at:
        started = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if connection is None or connection[0].at_eof():
                    outcome.counts["connections"] += 1
                    connection = await target.connect()
                await _exchange(*connection, target.request)
            outcome.counts["polls"] += 1
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            outcome.counts["lost"] += 1
            outcome.losses.append(f"{type(error).__name__}: {error}")
            connection = None
        outcome.slowest_s = max(outcome.slowest_s, time.monotonic() - started)
        await asyncio.sleep(GAP_S)
    if connection is not None:
        connection[1].close()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """Sends a request and reads the whole response. Raises ValueError for another status than 200."""
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
    await reader.readexactly(int(length.partition(":")[2]))
    status = head.split(" ", 2)[1]
    if status != "200":
        raise ValueError(f"the status is {status}")


@contextmanager
def _service(folder: Path) -> Iterator[Target]:
    """A front end behind nginx with one waiting video; there is no worker."""
    server = EmbeddedRedis(folder / "redis", free_port()).start()
    processes: list[ManagedProcess] = []

    def start_api(public_url: str) -> str:
        port = free_port()
        values = {"REDIS_URL": server.url, "DATA_DIR": str(folder / "data"), "PORT": str(port), "API_KEYS": KEY}
        values["PUBLIC_URL"] = public_url
        environment = {f"EASYANIMATE_{name}": value for name, value in values.items()}
        processes.append(ManagedProcess("api", "service", environment, folder / "api.log"))
        processes[0].start()
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url)
        return url

    try:
        with closing(Redis.from_url(server.url)) as redis:
            Registry(redis).announce(small_card(), "worker-1")
        with nginx(folder, start_api) as proxy:
            yield Target(_new_video(proxy.url, KEY, proxy.tls), proxy.tls, KEY)
    finally:
        for process in processes:
            process.end(20)
        server.stop()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            httpx.get(f"{url}/healthz", timeout=5).raise_for_status()
            return
        time.sleep(0.1)
    sys.exit(f"{url} does not respond")


def _new_video(url: str, key: str, tls: ssl.SSLContext | None) -> str:
    """The address of the record of a new video."""
    headers = {"Authorization": f"Bearer {key}"}
    options = {} if tls is None else {"verify": tls}
    response = httpx.post(f"{url}/v1/videos", json={"prompt": "a paper boat"}, headers=headers, **options)
    return f"{url}/v1/videos/{response.raise_for_status().json()['id']}"


def _report(outcome: Outcome, pollers: int, seconds: float) -> None:
    counts = outcome.counts
    line = f"{pollers} pollers, {seconds:g} s, {counts['polls']} polls, {counts['lost']} lost"
    sys.stdout.write(f"{line}, {counts['connections']} connections, slowest {outcome.slowest_s:.2f} s\n")
    for loss, count in Counter(outcome.losses).most_common(10):
        sys.stdout.write(f"  {count} x {loss}\n")


def main() -> int:
    """Runs the pollers and reports what was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.pollers")
    parser.add_argument("--url", help="an installation behind its proxy, such as https://example.com/video")
    parser.add_argument("--key", default=KEY, help="an API key of that installation")
    parser.add_argument("--pollers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=180.0)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        if options.url:
            tls = ssl.create_default_context() if options.url.startswith("https:") else None
            target = Target(_new_video(options.url.rstrip("/"), options.key, tls), tls, options.key)
            outcome = asyncio.run(poll_all(target, options.pollers, options.seconds))
        else:
            with _service(Path(folder)) as target:
                outcome = asyncio.run(poll_all(target, options.pollers, options.seconds))
    _report(outcome, options.pollers, options.seconds)
    return 1 if outcome.counts["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
