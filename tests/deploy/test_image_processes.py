"""The processes of the image of the service, run as an engine runs them: process 1, read-only root, any user."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from cli.stack.ports import free_port
from tests.deploy.image import DEPLOY, Replay, start

pytestmark = pytest.mark.slow

USER = 12345  # with no entry in /etc/passwd
# An orphan ends; then the program waits until process 1 has collected it.
ORPHAN = """
import os, time
from pathlib import Path
read, write = os.pipe()
if os.fork() == 0:
    orphan = os.fork()
    if orphan:
        os.write(write, str(orphan).encode())
    os._exit(0)
os.wait()
orphan = int(os.read(read, 20))
deadline = time.monotonic() + 120
while Path(f"/proc/{orphan}").exists() and time.monotonic() < deadline:
    time.sleep(0.01)
print("zombie" if Path(f"/proc/{orphan}").exists() else "collected")
"""
# Which folders the process may write to, and who it is.
PLACES = """
import json, os, tempfile
from pathlib import Path
def can_write(folder):
    try:
        (Path(folder) / "probe").touch()
    except OSError:
        return False
    return True
print(json.dumps([[p for p in ("/", "/app", "/opt", "/opt/venv", "/usr", "/tmp", "/data") if can_write(p)],
    os.getuid(), os.getgid(), tempfile.gettempdir(), str(Path.home())]))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return Replay(DEPLOY / "service.Dockerfile", tmp_path_factory.mktemp("service"))


@pytest.fixture
def run(image: Replay) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    processes = []

    def start_process(*command: str, **variables: str) -> "subprocess.Popen[str]":
        processes.append(start(image, list(command), USER, variables))
        return processes[-1]

    yield start_process
    for process in processes:
        process.kill()
        process.communicate()


def process_one(process: "subprocess.Popen[str]") -> int:
    """The id on this machine of process 1 of the image."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(child)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=60).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("process", ["api", "keeper"])
def test_a_process_of_the_image_serves_and_ends_in_order_on_sigterm(
    process: str, run: Callable[..., "subprocess.Popen[str]"], redis_url: str
) -> None:
    port = str(free_port())
    variables = {"EASYANIMATE_REDIS_URL": redis_url, "EASYANIMATE_WEBHOOK_SECRET": "whsec_c2VjcmV0"}
    variables |= {"EASYANIMATE_PORT": port, "EASYANIMATE_API_KEYS": "a-key", "EASYANIMATE_KEEPER_METRICS_PORT": port}
    module = {"api": "service", "keeper": "worker.keeper"}[process]
    server = run("python", "-m", module, **variables)
    deadline = time.monotonic() + 240
    while not answers(f"http://127.0.0.1:{port}/livez"):
        assert server.poll() is None, server.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process_one(server), signal.SIGTERM)
    _, log = server.communicate(timeout=200)
    assert server.returncode == 0, log
    assert "Traceback" not in log


def test_process_1_collects_processes_without_a_parent(run: Callable[..., "subprocess.Popen[str]"]) -> None:
    output, errors = run("python", "-c", ORPHAN).communicate(timeout=200)
    assert output == "collected\n", errors


def test_without_an_init_an_orphan_stays(image: Replay) -> None:
    with_python_first = Replay(DEPLOY / "service.Dockerfile", image.folder / "plain")
    with_python_first.entrypoint = []
    program = ORPHAN.replace("+ 120", "+ 0.5")
    output, errors = start(with_python_first, ["python", "-c", program], USER, {}).communicate(timeout=200)
    assert output == "zombie\n", errors


def test_only_data_and_tmp_can_be_written_to(run: Callable[..., "subprocess.Popen[str]"]) -> None:
    output, errors = run("python", "-c", PLACES).communicate(timeout=200)
    assert json.loads(output) == [["/tmp", "/data"], USER, 0, "/tmp", "/tmp"], errors


def test_the_code_of_the_image_is_compiled_and_readable_for_all_users(image: Replay) -> None:
    files = [path for path in image.application.rglob("*") if path.suffix in (".py", ".pyc")]
    assert any(path.suffix == ".pyc" for path in files)
    assert {oct(path.stat().st_mode & 0o044) for path in files} == {oct(0o044)}
    assert not [path for path in files if path.stat().st_mode & 0o022]


@pytest.mark.parametrize("name", ["service", "worker"])
def test_the_list_of_packages_of_an_image_names_each_with_its_version(name: str, tmp_path: Path) -> None:
    """Runs the step of the Dockerfile on a small environment."""
    from tests.clients.environments import SBOM, sbom_tools

    text = (DEPLOY / f"{name}.Dockerfile").read_text().replace("\\\n", " ")
    (step,) = [part for part in text.split("&&") if "cyclonedx-py" in part]
    command = step.split("\n")[0].replace("/opt/sbom", str(sbom_tools())).replace("/opt/venv", str(sbom_tools()))
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    document = json.loads((tmp_path / "sbom.cdx.json").read_text())
    parts = {f"{part['name']}=={part['version']}".lower() for part in document["components"]}
    pinned = {line.split(" ")[0] for line in SBOM.read_text().splitlines() if "==" in line}
    assert {part.replace("_", "-").replace(".", "-") for part in parts} >= {
        pin.replace("_", "-").replace(".", "-") for pin in pinned
    }
    assert document["bomFormat"] == "CycloneDX"
