"""Programs of the service as processes, with their logs in files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.integration.redis_servers import wait_until

WORKER = str(Path(__file__).parents[1] / "worker_process.py")
PROGRAMS = {"api": ["-m", "service"], "keeper": ["-m", "worker.keeper"], "worker": [WORKER]}


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


@contextmanager
def logged_programs(environment: dict[str, str], folder: Path) -> Iterator[httpx.Client]:
    """A client of an API that is ready, with its keeper and a worker without a model. Their logs are in `folder`."""
    address = f"http://127.0.0.1:{environment['EASYANIMATE_PORT']}"
    with ExitStack() as running, httpx.Client(base_url=address, timeout=120) as client:
        for name, arguments in PROGRAMS.items():
            running.enter_context(logged_process(*arguments, environment=environment, log=folder / f"{name}.log"))
        wait_until(lambda: is_ready(client))
        yield client


def is_ready(client: httpx.Client) -> bool:
    """Whether the API answers that it is ready."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
