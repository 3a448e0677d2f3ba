"""Front ends as in production: separate processes with keys, idempotency, metrics and logs, and their own Redis."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from benchmarks.cpu_clock import cpu_us
from benchmarks.http_driver import request
from cli.stack.ports import free_port
from cli.stack.process import start_program
from cli.stack.redis_server import EmbeddedRedis
from jobs.access.api_keys import ApiKeyStore
from jobs.model.limits import Limits
from jobs.queue.registry import Registry
from tests.small_card import small_card

CARD = small_card(schedulers=("euler", "ddim"))


@dataclass(frozen=True)
class FrontEnds:
    """The measured processes, with their data in `folder`. `secret` is the key of the caller."""

    apis: list["subprocess.Popen[bytes]"]
    urls: list[str]
    redis: EmbeddedRedis
    secret: str
    folder: Path

    @property
    def headers(self) -> str:
        """The header lines of the caller."""
        return f"Authorization: Bearer {self.secret}\r\n"

    def cpu_us(self) -> tuple[float, float]:
        """Microseconds of CPU that the front ends together and Redis have used so far."""
        assert self.redis.process is not None
        return sum(cpu_us(api.pid) for api in self.apis), cpu_us(self.redis.process.pid)


@contextmanager
def running(count: int, settings: Mapping[str, str] | None = None) -> Iterator[FrontEnds]:
    """Starts `count` front ends with one model and one caller; `settings` are more variables of their environment."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder), free_port()).start()
        with Redis.from_url(server.url) as redis:
            Registry(redis).announce(CARD, "bench")
            _, secret = ApiKeyStore(redis).create("bench", "bench", Limits())
        ports = [free_port() for _ in range(count)]
        apis = [_start(server.url, port, Path(folder), settings or {}) for port in ports]
        try:
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            for url, api in zip(urls, apis, strict=True):
                _wait_for(url, api)
            yield FrontEnds(apis, urls, server, secret, Path(folder))
        finally:
            for api in apis:
                api.terminate()
            for api in apis:
                api.wait()
            server.stop()


def _start(redis_url: str, port: int, folder: Path, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    environment = {
        "EASYANIMATE_REDIS_URL": redis_url,
        "EASYANIMATE_PORT": str(port),
        "EASYANIMATE_AUTH": "keys",
        "EASYANIMATE_DATA_DIR": str(folder),
        "EASYANIMATE_MAX_QUEUED_JOBS": "1000000",
        **settings,
    }
    return start_program([sys.executable, "-m", "service"], environment, folder / f"api-{port}.log")


def _wait_for(url: str, api: "subprocess.Popen[bytes]") -> None:
    while api.poll() is None:
        try:
            request(url, b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n")
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the API exited with code {api.returncode}")
