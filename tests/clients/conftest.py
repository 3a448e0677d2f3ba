"""The whole service with keys and two front ends, a recording proxy, and runners of client programs."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from cli.stack.ports import free_port
from cli.stack.process import ManagedProcess
from cli.stack.stack import LocalStack
from tests.clients.environments import node, node_project
from tests.clients.receiver import Receiver
from tests.clients.wire import Wire
from tests.stack_plan import stack_plan

KEY = "sk-of-the-clients"
HERE = Path(__file__).parent
SETTINGS = {
    "EASYANIMATE_API_KEYS": KEY,
    "EASYANIMATE_WEBHOOK_ALLOW_PRIVATE": "true",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, models_dir: Path, group_end: ExitStack) -> LocalStack:
    """The embedded service with the small model."""
    folder = tmp_path_factory.mktemp("clients")
    plan = stack_plan(folder, models_dir, SETTINGS)
    stack = LocalStack(plan).start()
    group_end.callback(stack.stop)
    return stack


@pytest.fixture(scope="session")
def addresses(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory, group_end: ExitStack) -> list[str]:
    """The addresses of two front ends with the same Redis and the same storage."""
    assert stack.redis is not None
    port = free_port()
    environment = {
        **SETTINGS,
        "EASYANIMATE_REDIS_URL": stack.redis.url,
        "EASYANIMATE_DATA_DIR": str(stack.plan.data_dir.resolve()),
        "EASYANIMATE_PORT": str(port),
    }
    second = ManagedProcess("second api", "service", environment, tmp_path_factory.mktemp("second") / "api.log")
    second.start()
    group_end.callback(second.end, 20)
    url = f"http://127.0.0.1:{port}"
    for _ in range(2000):
        try:
            httpx.get(f"{url}/readyz", timeout=60).raise_for_status()
            break
        except httpx.HTTPError:
            time.sleep(0.1)
    return [stack.url, url]


@pytest.fixture(scope="session")
def _wire(addresses: list[str], group_end: ExitStack) -> Wire:
    return group_end.enter_context(Wire(addresses))


@pytest.fixture
def wire(_wire: Wire) -> Wire:
    """The proxy before the service, without recorded exchanges."""
    _wire.clear()
    return _wire


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def run_program() -> Run:
    """Runs a program of tests/clients/programs; returns the JSON object on its last line."""

    def run(interpreter: Path | str, program: Path | str, *arguments: str, cwd: Path | None = None) -> dict[str, Any]:
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        kept = {name: value for name, value in kept.items() if not name.startswith("OPENAI_")}
        done = subprocess.run(
            [interpreter, HERE / "programs" / program, *arguments],
            capture_output=True,
            text=True,
            env={**kept, "PYTHONWARNINGS": "ignore"},
            cwd=cwd,
            timeout=500,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    return run


@pytest.fixture(scope="session")
def run_node(run_program: Run) -> Run:
    """Runs a Node program in the folder of its packages; returns the JSON object on its last line."""

    def run(program: str, *arguments: str) -> dict[str, Any]:
        project = node_project()
        shutil.copy(HERE / "programs" / program, project)
        return run_program(node(), project / program, *arguments)

    return run


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small PNG."""
    path = tmp_path_factory.mktemp("image") / "start.png"
    Image.new("RGB", (64, 64), "red").save(path)
    return path


@pytest.fixture(scope="session")
def newest() -> str:
    """The interpreter of the project; it has the newest openai package."""
    return sys.executable
