"""The rooms import in one direction; a test breaks the rules on a copy to see that the check would notice."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("easyanimate", "jobs", "service", "worker", "cli")
LINTER = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINTER, "--no-cache"], capture_output=True, text=True, cwd=folder)


def test_the_rooms_import_in_one_direction() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms as they are, in another place."""
    folder = tmp_path_factory.mktemp("rooms")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("easyanimate", "import jobs.store"),
        ("easyanimate", "import redis"),
        ("jobs", "import service.app"),
        ("jobs", "import worker.tasks"),
        ("jobs", "import torch"),
        ("jobs", "from easyanimate.vae import AutoencoderKLSlice"),
        ("jobs", "import easyanimate.errors"),
        ("service", "import worker.tasks"),
        ("service", "import cli.main"),
        ("service", "import diffusers"),
        ("service", "from easyanimate.pipeline import EasyAnimatePipeline"),
        ("worker", "import service.app"),
        ("worker", "import cli.main"),
    ],
)
def test_a_forbidden_import_would_be_noticed(copy: Path, room: str, line: str) -> None:
    intruder = copy / room / "intruder.py"
    intruder.write_text(f'"""Breaks the rules."""\n\n{line}\n')
    try:
        done = lint(copy)
    finally:
        intruder.unlink()
    assert done.returncode == 1
    assert f"{room}.intruder" in done.stdout
