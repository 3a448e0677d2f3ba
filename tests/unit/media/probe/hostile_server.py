"""A fork server whose tasks do what a decoder under the control of an attacker might do."""

import ctypes
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from easyanimate.media.probe.fork_server import ForkServer
from easyanimate.media.probe.messages import ProbeAnswer, ProbeTask, TaskOutcome


def echo(text: str) -> dict[str, Any]:
    """The text of the task."""
    return {"text": text}


def open_things(_: str) -> dict[str, Any]:
    """The errors of attempts to open something, and the descriptors that are open."""
    attempts: dict[str, Callable[[], Any]] = {
        "file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "socket": socket.socket,
        "pipe": os.pipe,
        "copy": lambda: os.dup(0),
    }
    errors: dict[str, Any] = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            errors[name] = None
        except OSError as error:
            errors[name] = error.errno
    return {"errors": errors, "open": [fd for fd in range(100) if is_open(fd)], "names": sorted(os.environ)}


def is_open(fd: int) -> bool:
    """Whether the number is an open descriptor."""
    with suppress(OSError):
        os.fstat(fd)
        return True
    return False


def use_memory(_: str) -> dict[str, Any]:
    """Allocates a gibibyte."""
    return {"size": len(bytearray(1 << 30))}


def write_file(_: str) -> dict[str, Any]:
    """Writes to the file, which is the only one that is open."""
    for fd in range(3, 20):
        with suppress(OSError):
            os.pwrite(fd, b"x" * 10_000, 1 << 20)
            return {"written": True}
    return {"written": False}


def loop(_: str) -> dict[str, Any]:
    """Computes without an end."""
    while True:
        pass


def wait(_: str) -> dict[str, Any]:
    """Sleeps without an end."""
    while True:
        time.sleep(60)


def fork(_: str) -> dict[str, Any]:
    """Starts a process in the group of the task and one in a session of its own; both would run for ever."""
    pids = []
    for with_session in (False, True):
        try:
            pid = os.fork()
        except OSError:  # without root, no process can be started
            continue
        if pid == 0:
            if with_session:
                os.setsid()
            wait("")
        pids.append(pid)
    return {"pids": pids}


def crash(_: str) -> dict[str, Any]:
    """Reads the address zero."""
    return {"at zero": ctypes.string_at(0)}


def signal_others(_: str) -> dict[str, Any]:
    """The error of a signal to the fork server. The signal 0 does no harm where it arrives."""
    try:
        os.kill(os.getppid(), 0)
    except OSError as error:
        return {"error": error.errno}
    return {"error": None}


def run_program(_: str) -> dict[str, Any]:
    """The error of an attempt to run a program."""
    try:
        os.execv(sys.executable, [sys.executable, "-c", "pass"])
    except OSError as error:
        return {"error": error.errno}


def start_thread(_: str) -> dict[str, Any]:
    """Runs a thread to its end."""
    done: list[bool] = []
    thread = threading.Thread(target=done.append, args=(True,))
    thread.start()
    thread.join()
    return {"done": done}


def send_junk(_: str) -> dict[str, Any]:
    """Writes bytes that are no answer to each descriptor, and ends."""
    for fd in range(3, 20):
        with suppress(OSError):
            os.write(fd, b"\xff" * 64)
    os._exit(0)


TASKS = {
    task.__name__: task
    for task in (
        *(echo, open_things, use_memory, write_file, loop, wait, fork, crash, send_junk),
        *(signal_others, run_program, start_thread),
    )
}


def perform(_: ProbeTask, file: BinaryIO) -> ProbeAnswer:
    """Does the task that the file names, in place of a decoder."""
    name, _, text = file.read().decode().partition(" ")
    try:
        return ProbeAnswer(TaskOutcome.DONE, TASKS[name](text), text.encode())
    except MemoryError:
        return ProbeAnswer(TaskOutcome.OUT_OF_MEMORY)


if __name__ == "__main__":
    ForkServer(socket.socket(fileno=int(sys.argv[1])), perform).run()
