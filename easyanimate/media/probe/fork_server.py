"""The fork server: has all decoders imported, decodes nothing itself, and forks a limited process for each file.

A fork takes milliseconds, the imports half a second. The server has one thread. It ends when the process that started
it closes its connection or ends.
"""

import gc
import os
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from easyanimate.media.probe.limits import adopt_orphans, end_with_parent, limit_process
from easyanimate.media.probe.messages import READY, ProbeAnswer, ProbeTask, TaskOutcome, pack_end

MAX_MESSAGE_BYTES = 4096
PARENT_CHECK_S = 2.0  # a copy of the connection in a forked process would hide the end of the parent

Perform = Callable[[ProbeTask, BinaryIO], ProbeAnswer]


class ForkServer:
    """Serves the tasks that arrive at `control`: each with the file to read and the socket for the answer."""

    def __init__(self, control: socket.socket, perform: Perform) -> None:
        self.control = control
        self.perform = perform
        self.parent = os.getppid()
        self.selector = selectors.DefaultSelector()
        self.callers: dict[int, socket.socket] = {}  # by the process that works for them
        self.wakeup, wakeup_end = socket.socketpair()
        for end in (self.wakeup, wakeup_end):
            end.setblocking(False)
        signal.set_wakeup_fd(wakeup_end.detach())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the number of the signal arrives at `wakeup`

    def run(self) -> None:
        """Serves until the parent closes the connection or ends."""
        adopt_orphans()
        gc.collect()
        gc.freeze()  # forked processes then share these pages
        self.selector.register(self.control, selectors.EVENT_READ)
        self.selector.register(self.wakeup, selectors.EVENT_READ)
        with suppress(ConnectionError):
            self.control.send(READY)
            while self._serve_events() and os.getppid() == self.parent:
                pass
        for pid in self.callers:
            _kill(pid)

    def _serve_events(self) -> bool:
        """Serves what has arrived; False at the end of the connection."""
        for key, _ in self.selector.select(PARENT_CHECK_S):
            if key.fileobj is self.control:
                message, fds, _, _ = socket.recv_fds(self.control, MAX_MESSAGE_BYTES, 2)
                if not message:
                    return False
                self._start(message, *fds)
            elif key.fileobj is self.wakeup:
                self.wakeup.recv(MAX_MESSAGE_BYTES)
                self._reap()
            elif self.callers.get(key.data) is key.fileobj:  # this caller waits no longer
                self.selector.unregister(key.fileobj)
                _kill(key.data)
        return True

    def _start(self, message: bytes, file_fd: int, answer_fd: int) -> None:
        caller = socket.socket(fileno=answer_fd)
        try:
            pid = os.fork()
        except OSError:
            _send(caller, ProbeAnswer(TaskOutcome.OVERLOADED).to_bytes())
            caller.close()
            os.close(file_fd)
            return
        if pid == 0:
            run_task(message, file_fd, answer_fd, self.perform)
        os.close(file_fd)
        with suppress(OSError):
            os.setpgid(pid, pid)  # here and in the process: which one is first is open
        self.callers[pid] = caller
        self.selector.register(caller, selectors.EVENT_READ, pid)

    def _reap(self) -> None:
        """Removes ended processes, with all that they have started."""
        while True:
            with suppress(ChildProcessError):
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is not None:
                    _kill(ended.si_pid)  # its group; the number cannot be used again yet
                    _, status = os.waitpid(ended.si_pid, 0)
                    self._report(ended.si_pid, os.waitstatus_to_exitcode(status))
                    continue
            return

    def _report(self, pid: int, status: int) -> None:
        caller = self.callers.pop(pid, None)
        if caller is None:
            return
        with suppress(KeyError):
            self.selector.unregister(caller)
        if status != 0:
            _send(caller, pack_end(status))
        caller.close()
        for orphan in _children() - self.callers.keys():
            _kill(orphan)


def run_task(message: bytes, file_fd: int, answer_fd: int, perform: Perform) -> None:
    """Does one task in a forked process, and ends it. Nothing of the fork server remains open."""
    status = 1
    try:
        _leave_server({file_fd, answer_fd})
        task = ProbeTask.from_bytes(message)
        with open(file_fd, "rb") as file:
            limit_process(task.memory_bytes, task.cpu_s)
            answer = memoryview(perform(task, file).to_bytes())
        while answer:
            answer = answer[os.write(answer_fd, answer) :]
        status = 0
    finally:
        os._exit(status)


def _leave_server(kept: set[int]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    server = os.getppid()
    end_with_parent()
    if os.getppid() != server:
        os._exit(1)
    with suppress(OSError):
        os.setpgid(0, 0)
    os.dup2(0, 2)  # messages of decoders; the standard input is /dev/null
    for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fd > 2 and fd not in kept:
            with suppress(OSError):
                os.close(fd)


def _send(caller: socket.socket, message: bytes) -> None:
    """Sends a short message without waiting; a caller that does not read has no use for it."""
    with suppress(OSError):
        caller.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def _kill(pid: int) -> None:
    """Kills a process and its group."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _children() -> set[int]:
    """The processes whose parent is this one, as far as Linux says."""
    try:
        return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()))
    except OSError:
        return set()
