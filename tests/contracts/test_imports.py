"""Packages import in one direction. The tests break each rule on a copy and check that the linter reports it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("easyanimate", "jobs", "service", "worker", "cli")
LINTER = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINTER, "--no-cache"], capture_output=True, text=True, cwd=folder)


def test_packages_import_in_one_direction() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("package", "line"),
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
        ("service/submission", "import service.routes.files"),
        ("service/http", "import service.resources"),
        ("service/inputs", "import service.submission.build"),
        ("service/routes", "import boto3"),
        ("service/submission", "import jobs.store.leases"),
        ("service/routes", "import jobs.store.keeper.recovery"),
        ("jobs/queue", "import jobs.store.records"),
        ("jobs/model", "import jobs.redis.keys"),
        ("jobs/storage", "import jobs.queue.registry"),
        ("jobs/store", "import rq"),
        ("worker/attempt", "import worker.supervisor.run"),
        ("worker/protocol", "import worker.attempt.attempt"),
        ("worker/supervisor", "import torch"),
        ("worker/attempt", "import av"),
        ("worker/keeper", "import torch"),
        ("cli/stack", "import cli.commands.operate.up"),
        ("cli/local", "import cli.main"),
    ],
)
def test_the_linter_reports_a_forbidden_import(copy: Path, package: str, line: str) -> None:
    forbidden = copy / package / "forbidden.py"
    forbidden.write_text(f'"""Breaks a rule."""\n\n{line}\n')
    try:
        done = lint(copy)
    finally:
        forbidden.unlink()
    assert done.returncode == 1
    assert f"{package.replace('/', '.')}.forbidden" in done.stdout
