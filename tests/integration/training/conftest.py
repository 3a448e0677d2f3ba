"""A short training that several tests continue."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.training.commands import arguments, run_here
from tests.one_thread import one_torch_thread


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The number of threads of the processes, so that sums have the same order."""
    with one_torch_thread():
        yield


@pytest.fixture(scope="session")
def five_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training of five steps; not to be written to."""
    folder = tmp_path_factory.mktemp("five")
    done = run_here(arguments(folder, steps=5))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def five_done(five_steps: Path, tmp_path: Path) -> Path:
    """A copy of that folder, for one test."""
    return shutil.copytree(five_steps, tmp_path / "five")
