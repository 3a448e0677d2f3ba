"""A program of the service as a child process. It ends with this process, and receives no Ctrl-C of the terminal."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from cli.settings import child_environment
from worker.parent_death import die_with_parent

STEADY_S = 30.0  # after this run time a restart is immediate
MAX_PAUSE_S = 30.0
WAIT_S = 0.1


class ManagedProcess:
    """`python -m` of one package. After a crash it can be restarted, with a pause that grows."""

    def __init__(self, name: str, module: str, environment: dict[str, str], log: Path | None) -> None:
        """`log` is the file of its output; None is the output of this process."""
        self.name = name
        self.module = module
        self.environment = environment
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause_s = 0.5
        self._ended_at: float | None = None

    def start(self) -> None:
        """Starts the process."""
        self._started_at, self._ended_at = time.monotonic(), None
        self.process = start_program([sys.executable, "-m", self.module], self.environment, self.log)

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs."""
        return self.process.poll() if self.process else None

    def restart_if_dead(self) -> int | None:
        """Restarts the process after a crash and its pause; returns the exit code once, when the crash is detected."""
        code = self.exit_code
        if code is None:
            return None
        now = time.monotonic()
        if self._ended_at is None:
            self._ended_at = now
            is_steady = now - self._started_at > STEADY_S
            self._pause_s = 0.5 if is_steady else min(2 * self._pause_s, MAX_PAUSE_S)
            return code
        if now - self._ended_at >= self._pause_s:
            self.start()
        return None

    def terminate(self) -> None:
        """Sends SIGTERM."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, timeout_s: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Sends SIGTERM, waits, and kills the process after `timeout_s`, or earlier when `is_over`."""
        if self.process is not None:
            end_process(self.process, timeout_s, is_over)

    def log_tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace").strip()[-1000:] if self.log and self.log.exists() else ""


def end_process(
    process: "subprocess.Popen[bytes]", timeout_s: float, is_over: Callable[[], bool] = lambda: False
) -> None:
    """Sends SIGTERM, waits, and kills the process after `timeout_s`, or earlier when `is_over`."""
    process.terminate()
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and not is_over():
        try:
            process.wait(WAIT_S)
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()


def start_program(
    command: Sequence[str],
    environment: dict[str, str],
    log: Path | None = None,
    *,
    how: signal.Signals = signal.SIGKILL,
) -> "subprocess.Popen[bytes]":
    """Starts a program that receives the signal `how` when the calling thread ends."""
    stderr: IO[bytes] | None = log.open("ab") if log else None
    try:
        return subprocess.Popen(
            list(command),
            env=child_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, how),  # one system call, loaded beforehand
        )
    finally:
        if stderr:
            stderr.close()
