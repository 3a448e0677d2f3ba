"""The fork server in which files of callers are decoded: one for this process, started at the first file.

The library module `easyanimate.media.probe` is the other side. Decoders run in no thread of the front end.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache

import structlog

from easyanimate.media.probe.messages import READY, ProbeAnswer, ProbeTask, TaskOutcome, unpack_end

START_TIMEOUT_S, END_TIMEOUT_S = 60.0, 5.0
PIECE_BYTES = 1 << 20
# Nothing else of the environment: it holds keys and passwords.
KEPT_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
OUTCOMES = {-signal.SIGXCPU: TaskOutcome.TIMEOUT, -signal.SIGKILL: TaskOutcome.OUT_OF_MEMORY}

log = structlog.get_logger()


class _ServerEnded(Exception):
    """The fork server ended before it answered."""


class MediaProcess:
    """Sends tasks to the fork server and starts it, again if it has ended. Any thread may use it.

    `module` is started with `python -m`.
    """

    def __init__(self, module: str = "easyanimate.media.probe") -> None:
        self.module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner_pid = 0
        self.starts = 0  # of the fork server

    @property
    def server_pid(self) -> int | None:
        """The process id of the fork server, None while it is not started."""
        return self._process.pid if self._process else None

    def run(self, task: ProbeTask, data: bytes, timeout_s: float) -> ProbeAnswer:
        """Does a task with the file `data` in a limited process."""
        try:
            for _ in range(2):
                control = self._connection()
                try:
                    return _exchange(control, task, data, timeout_s)
                except _ServerEnded:
                    log.warning("media.server_ended")
                    self._discard(control)
        except OSError as error:  # no process, descriptor or memory is left
            log.warning("media.unavailable", error=str(error))
        return ProbeAnswer(TaskOutcome.UNAVAILABLE)

    def close(self) -> None:
        """Ends the fork server and the processes of its tasks."""
        with self._lock:
            self._end()

    def _connection(self) -> socket.socket:
        with self._lock:
            if self._control is None or self._owner_pid != os.getpid():
                self._control = self._start()
            return self._control

    def _discard(self, control: socket.socket) -> None:
        """Ends the server of this connection, unless another thread has replaced it."""
        with self._lock:
            if control is self._control:
                self._end()

    def _start(self) -> socket.socket:
        control, server_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with server_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, str(server_end.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(),
                pass_fds=(server_end.fileno(),),
                start_new_session=True,  # signals of the terminal are for the front end
            )
        self._owner_pid = os.getpid()
        self.starts += 1
        control.settimeout(START_TIMEOUT_S)
        with suppress(OSError):  # a server that does not start is noticed by the task
            if control.recv(len(READY)) == READY:
                log.info("media.server_started", pid=self._process.pid)
        control.settimeout(None)
        return control

    def _end(self) -> None:
        """Closes the connection; the server then kills the processes of its tasks and ends."""
        if self._control is not None:
            self._control.close()
        if self._process is not None and self._owner_pid == os.getpid():
            try:
                self._process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None


@cache
def media_process() -> MediaProcess:
    """The one of this process."""
    process = MediaProcess()
    atexit.register(process.close)
    return process


def _environment() -> dict[str, str]:
    kept = {name: value for name in KEPT_VARIABLES if (value := os.environ.get(name))}  # noqa: TID251  for a child
    return kept | ONE_THREAD


def _exchange(control: socket.socket, task: ProbeTask, data: bytes, timeout_s: float) -> ProbeAnswer:
    """Sends a task and waits for its answer. Raises _ServerEnded."""
    caller, task_end = socket.socketpair()
    with caller:
        with task_end, open(os.memfd_create("input"), "w+b") as file:
            file.write(data)
            file.seek(0)
            try:
                socket.send_fds(control, [task.to_bytes()], [file.fileno(), task_end.fileno()])
            except OSError as error:
                raise _ServerEnded from error
        return _receive(caller, time.monotonic() + timeout_s, task.memory_bytes)


def _receive(caller: socket.socket, deadline: float, max_bytes: int) -> ProbeAnswer:
    message = bytearray()
    try:
        while (answer := ProbeAnswer.from_bytes(message, max_bytes)) is None:
            caller.settimeout(max(0.001, deadline - time.monotonic()))
            piece = caller.recv(PIECE_BYTES)
            if not piece:
                return _ended(message)
            message += piece
    except TimeoutError:
        return ProbeAnswer(TaskOutcome.TIMEOUT)  # the fork server kills the process, as the connection closes
    except ConnectionError as error:
        raise _ServerEnded from error
    except ValueError:  # bytes that no task sends
        return ProbeAnswer(TaskOutcome.DAMAGED)
    return answer


def _ended(message: bytearray) -> ProbeAnswer:
    """The answer for a process that ended in the middle."""
    status = unpack_end(message)
    if status is None:
        raise _ServerEnded
    log.warning("media.process_ended", status=status)
    return ProbeAnswer(OUTCOMES.get(status, TaskOutcome.DAMAGED))
