"""A program of the service as a process, with its log in a file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def logged_process(*arguments: str, environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs Python with `arguments`. At the end it gets SIGTERM, and SIGKILL if it does not end in two minutes."""
    with log.open("wb") as stderr:
        child = subprocess.Popen([sys.executable, *arguments], env={**os.environ, **environment}, stderr=stderr)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(120)
        finally:
            child.kill()
            child.wait()
