"""The rooms import in one direction; a test breaks the rules on a copy to see that the check would notice."""

import shutil
import subprocess
import sys
import tomllib
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


def test_of_the_model_library_the_front_end_may_use_the_plain_integers_alone() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [one for one in contracts if "plain integers" in one["name"]]
    modules = [path.stem for path in (ROOT / "easyanimate").iterdir() if path.suffix == ".py" or path.is_dir()]
    closed = {f"easyanimate.{name}" for name in modules if not name.startswith("__")} - {"easyanimate.geometry"}
    assert set(contract["forbidden_modules"]) == closed
