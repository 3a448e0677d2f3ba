"""Trainings of one model in two processes."""

import signal
from pathlib import Path

import pytest

from easyanimate.training.run.logs import read_losses
from tests.integration.training.commands import STEPS, arguments, run_here, run_process, start_waiting

TWO = "--processes=2"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training in two processes."""
    folder = tmp_path_factory.mktemp("whole")
    done = run_process(arguments(folder, TWO))
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_a_checkpoint_of_two_processes_is_not_resumed_by_one(whole):
    done = run_here(arguments(whole, steps=STEPS + 5))
    assert done.returncode == 2
    assert "processes was 2 and is 1" in done.stderr


def test_two_processes_train_one_model_and_are_resumed(whole, tmp_path):
    folder = tmp_path / "stopped"
    process = start_waiting(arguments(folder, TWO), folder)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2, stderr[-2000:]
    assert len(read_losses(folder / "run" / "losses.csv")) == 8
    done = run_process(arguments(folder, TWO))
    assert done.returncode == 0, done.stderr[-2000:]
    losses = read_losses(folder / "run" / "losses.csv")
    assert losses == read_losses(whole / "run" / "losses.csv")
    assert list(losses) == list(range(STEPS))


def test_a_full_disk_ends_two_processes_with_one_message(tmp_path):
    done = run_process(arguments(tmp_path, TWO, steps=10), "prlimit", "--fsize=30000")
    assert done.returncode == 2
    assert done.stderr.count("train vae: the checkpoint after step 5 could not be written to") == 1
    assert "Traceback" not in done.stderr


def test_an_error_in_one_of_two_processes_is_reported_with_its_exit_code(tmp_path):
    done = run_process(arguments(tmp_path, TWO, "--set", "vae={}", "--set", "start=/no/such/folder"))
    assert done.returncode == 2
    assert "/no/such/folder" in done.stderr
    assert "Traceback" not in done.stderr
