"""Processes of two releases on one Redis and one storage folder. A part is replaced by starting the new one first."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import httpx

from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from tests.upgrades.releases import Release
from worker.parent_death import die_with_parent

MODEL = "easyanimate-v3-tiny"
MODULES = {"api": "service", "keeper": "worker.keeper", "worker": "worker"}
PARTS = tuple(MODULES)
BALANCER_S = 1.0  # requests that were sent to the old front end have arrived
START_TIMEOUT_S, STOP_TIMEOUT_S = 300.0, 120.0
SETTINGS = {
    "AUTH": "off", "STORAGE": "local", "HOST": "127.0.0.1", "MODEL": MODEL, "DRAIN_GRACE_S": "2",
    "CHECKPOINT_EVERY_S": "0", "CHECKPOINT_STORE_EVERY_S": "0.5", "MIN_FREE_DISK_BYTES": "0",
}  # fmt: skip


class NotStarted(Exception):
    """A process did not start; the message has the end of its log."""


class Process:
    """One part of one release. `port` is that of the API, or of the metrics of a keeper or worker."""

    def __init__(self, part: str, release: Release, settings: dict[str, str], log: Path) -> None:
        self.part, self.release, self.log, self.port = part, release, log, free_port()
        port_name = "PORT" if part == "api" else f"{part.upper()}_METRICS_PORT"
        named = {f"EASYANIMATE_{name}": value for name, value in {**settings, port_name: str(self.port)}.items()}
        self._file: IO[bytes] = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", MODULES[part]],
            cwd=release.folder,
            env={**release.environment(), **named},
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            preexec_fn=die_with_parent,
        )

    @property
    def url(self) -> str:
        """The address of the process."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self, path: str) -> bool:
        """Whether its port answers this path with 200."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}{path}", timeout=10).status_code == 200
        return False

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits until `holds`. Raises NotStarted if the process ends, or does not get there in time."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-1500:]
                raise NotStarted(f"{self.part} of {self.release.name}: {what}: not reached; {tail}")
            time.sleep(0.2)

    def stop(self) -> int:
        """Sends SIGTERM; returns the exit code. A process that does not end is killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._file.close()
        return code


class Installation:
    """A Redis, a storage folder, and one process of each part; for a moment two of the part that is replaced."""

    def __init__(self, folder: Path, release: Release) -> None:
        self.folder = folder
        self.redis = EmbeddedRedis(folder / "redis", free_port())
        self.running: dict[str, Process] = {}
        self.replaced: list[Process] = []  # not ended yet
        self._release = release

    def __enter__(self) -> Self:
        self.redis.start()
        try:
            for part in PARTS:
                self.running[part] = self._start(part, self._release)
            self._wait_for_workers(1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.running.values(), *self.replaced):
            process.process.kill()
            process.process.wait()
        self.redis.stop()

    @property
    def urls(self) -> list[str]:
        """The addresses of the front ends that take requests."""
        return [self.running["api"].url]

    def replace(self, part: str, release: Release) -> int:
        """Starts the part of this release beside the running one, and stops that one; returns its exit code."""
        old, new = self.running[part], self._start(part, release)
        if part == "worker":
            self._wait_for_workers(2)
        self.replaced.append(old)
        self.running[part] = new
        time.sleep(BALANCER_S)
        code = old.stop()
        self.replaced.remove(old)
        return code

    def _start(self, part: str, release: Release) -> Process:
        settings = {
            **SETTINGS,
            "REDIS_URL": self.redis.url,
            "DATA_DIR": str(self.folder / "data"),
            "MODELS_DIR": str(release.models_dir()),
        }
        process = Process(part, release, settings, self.folder / f"{part}-{release.commit}.log")
        path = "/healthz" if part == "api" else "/metrics"
        process.wait_until(lambda: process.answers(path), f"{path} answers")
        return process

    def _wait_for_workers(self, count: int) -> None:
        """Waits until the API lists so many workers of the model; one that was stopped may be listed for a moment."""

        def are_listed() -> bool:
            with suppress(httpx.HTTPError, ValueError, KeyError):
                answer = httpx.get(f"{self.urls[0]}/readyz", timeout=10).json()
                return bool(answer["workers"].get(MODEL, 0) >= count)
            return False

        self.running["worker"].wait_until(are_listed, f"{count} workers are listed")
