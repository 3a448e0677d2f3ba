"""Replays the steps of a Dockerfile in a folder, and runs a command in it like a container engine.

All COPY steps are replayed, and the RUN steps that need no network: folders, permissions, compiled code. Packages come
from the environment of the tests.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.deploy.programs import program

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
# Makes the folder $1 the root of a new mount namespace: read-only, but for /data and a /tmp in memory. The programs,
# libraries and Python packages of this machine are bound into it. Then it executes the rest, in /app.
ENTER = r"""
set -eu
root=$1 venv=$2 base=$3
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
for name in usr bin sbin lib lib64 etc; do
    if [ -L "/$name" ]; then ln -sfn "$(readlink "/$name")" "$root/$name"
    elif [ -d "/$name" ]; then mkdir -p "$root/$name"; mount --rbind "/$name" "$root/$name"; fi
done
for place in "$venv:$venv" "$base:$base" "$venv:/opt/venv"; do
    mkdir -p "$root${place#*:}"
    mount --bind "${place%%:*}" "$root${place#*:}"
done
mkdir -p "$root/proc" "$root/dev" "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$root/data" "$root/data"
mount -o remount,ro,bind "$root"
exec chroot "$root" env --chdir=/app --ignore-environment "$@"
"""


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile with their arguments."""
    text = re.sub(r"^#.*\n", "", dockerfile, flags=re.M).replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


class Replay:
    """The folders of the stages of a Dockerfile, and the environment and command of the last one."""

    def __init__(self, dockerfile: Path, folder: Path) -> None:
        self.folder = folder
        self.stages: dict[str, Path] = {}
        self.environment: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.user = ""
        self.entrypoint: list[str] = []
        self.command: list[str] = []
        for name, text in instructions(dockerfile.read_text()):
            getattr(self, f"_{name.lower()}")(text)

    @property
    def root(self) -> Path:
        """The root of the last stage."""
        return list(self.stages.values())[-1]

    @property
    def application(self) -> Path:
        """The folder of the code."""
        return self.root / "app"

    def _from(self, text: str) -> None:
        name = text.partition(" AS ")[2] or "image"
        self.stages[name] = self.folder / name
        self.workdir = self.stages[name]
        self.workdir.mkdir(parents=True)

    def _workdir(self, text: str) -> None:
        self.workdir = self.root / text.lstrip("/")
        self.workdir.mkdir(parents=True, exist_ok=True)

    def _copy(self, text: str) -> None:
        *sources, target = [word for word in text.split() if not word.startswith("--")]
        origin = self.stages[stage[0]] if (stage := re.findall(r"--from=(\S+)", text)) else ROOT
        destination = self._path(target)
        for name in sources:
            source = origin / name.lstrip("/")
            if origin != ROOT and not source.exists():
                continue  # packages and models, which are not replayed
            place = destination / source.name if target.endswith("/") and source.is_file() else destination
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place, ignore=_left_out if origin == ROOT else None, dirs_exist_ok=True)
            else:
                shutil.copy2(source, place)
                place.chmod(0o755 if "--chmod=755" in text else place.stat().st_mode)

    def _run(self, text: str) -> None:
        for command in text.split("&&"):
            words = shlex.split(command)
            if words[0] == "install" and os.geteuid() != 0:
                words = [word for word in words if word not in ("-o", "10001", "-g", "0")]
            if words[:3] == ["python", "-m", "compileall"]:  # of one package, since all take ten seconds
                words = [sys.executable, *words[1:6], "cli"]
            elif words[0] not in ("chmod", "install"):
                continue
            paths = [
                str(self._path(word)) if word.startswith("/") and word != sys.executable else word for word in words
            ]
            if "/opt/models" not in command:
                subprocess.run(paths, check=True, cwd=self.workdir)

    def _env(self, text: str) -> None:
        self.environment |= dict(word.split("=", 1) for word in shlex.split(text))

    def _label(self, text: str) -> None:
        self.labels |= dict(word.split("=", 1) for word in shlex.split(text))

    def _user(self, text: str) -> None:
        self.user = text

    def _entrypoint(self, text: str) -> None:
        self.entrypoint = _words(text)

    def _cmd(self, text: str) -> None:
        self.command = _words(text)

    def _ignored(self, text: str) -> None:
        """Instructions without an effect on files and processes."""

    _arg = _volume = _expose = _healthcheck = _ignored

    def _path(self, text: str) -> Path:
        return self.root / text.lstrip("/") if text.startswith("/") else self.workdir / text


def _left_out(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__" or name.endswith(".pyc")]


def _words(text: str) -> list[str]:
    words: list[str] = json.loads(text)
    return words


def start(image: Replay, command: list[str], user: int, variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Starts a command as process 1 of the image: read-only root, no capabilities, this user in group 0."""
    shutil.copy2(program("tini"), image.application / "tini")
    is_root = os.geteuid() == 0
    environment = image.environment | {"PATH": "/opt/venv/bin:/app:/usr/bin:/bin"} | dict(variables)
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    drop += [f"--reuid={user}", "--regid=0", "--clear-groups"] if is_root else []
    words = [*(f"{name}={value}" for name, value in environment.items()), *drop, *image.entrypoint, *command]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if is_root else ["--map-root-user"])]
    arguments = [str(image.root), sys.prefix, sys.base_prefix, *words]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*unshare, "bash", "-c", ENTER, "enter", *arguments], text=True, **streams)
