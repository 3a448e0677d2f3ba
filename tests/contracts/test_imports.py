"""Packages import in one direction. The tests break each rule on a copy and check that the linter reports it."""

import re
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


FORBIDDEN = (
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
)


def file_of(package: str, line: str) -> Path:
    """The file of a forbidden import, with a name of its own."""
    return Path(package) / f"forbidden_{FORBIDDEN.index((package, line))}.py"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report on a copy of the packages with all forbidden imports; no other module imports their files."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for package, line in FORBIDDEN:
        (folder / file_of(package, line)).write_text(f'"""Breaks a rule."""\n\n{line}\n')
    done = lint(folder)
    assert done.returncode == 1
    return done.stdout


@pytest.mark.parametrize(("package", "line"), FORBIDDEN)
def test_the_linter_reports_a_forbidden_import(report: str, package: str, line: str) -> None:
    module = ".".join(file_of(package, line).with_suffix("").parts)
    assert re.search(rf"\b{re.escape(module)} ->", report)
