"""Trainings that are stopped or killed between two checkpoints, and resumed by the same command."""

import signal
from pathlib import Path

import pytest

from tests.integration.training.commands import STEPS, WAIT_STEP, arguments, run_here, start_waiting
from tests.training_losses import read_losses

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("forked trainings")]  # one server imports torch for all


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """The losses of twelve steps without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    done = run_here(arguments(folder))
    assert done.returncode == 0, done.stderr
    losses = read_losses(folder / "run" / "losses.csv")
    assert list(losses) == list(range(STEPS))
    return losses


def newest_step(folder: Path) -> str:
    return max(path.name for path in (folder / "run" / "checkpoints").iterdir())


def test_a_killed_training_is_resumed_from_its_checkpoint_with_the_same_losses(uninterrupted, tmp_path):
    process = start_waiting(arguments(tmp_path), tmp_path)
    process.send_signal(signal.SIGKILL)
    assert process.wait().returncode == -signal.SIGKILL
    before = read_losses(tmp_path / "run" / "losses.csv")
    assert (list(before), newest_step(tmp_path)) == (list(range(WAIT_STEP)), "step-00000005")
    done = run_here(arguments(tmp_path))
    assert done.returncode == 0, done.stderr
    assert read_losses(tmp_path / "run" / "losses.csv") == uninterrupted


def test_a_stopped_training_ends_after_its_step_and_is_resumed_with_the_same_losses(uninterrupted, tmp_path):
    process = start_waiting(arguments(tmp_path), tmp_path)
    process.send_signal(signal.SIGTERM)
    stopped = process.wait()
    assert stopped.returncode == 2
    assert "stopped after step 8 of 12; the same command continues from there" in stopped.stderr
    before = read_losses(tmp_path / "run" / "losses.csv")
    assert (list(before), newest_step(tmp_path)) == (list(range(WAIT_STEP + 1)), "step-00000008")
    done = run_here(arguments(tmp_path))
    assert done.returncode == 0, done.stderr
    assert read_losses(tmp_path / "run" / "losses.csv") == uninterrupted
