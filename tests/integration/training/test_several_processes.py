"""Trainings of one model in two processes."""

import signal
from pathlib import Path

import pytest

from easyanimate.training.run.concurrent import launch_processes
from tests.integration.training.commands import STEPS, arguments, run_here, run_two_forked, start_waiting
from tests.training_losses import read_losses

TWO = "--processes=2"
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("forked trainings")]  # one server imports torch for all


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training in two processes."""
    folder = tmp_path_factory.mktemp("whole")
    for done, printed in zip(
        run_two_forked(arguments(folder), folder), (f"{folder / 'run' / 'result'}\n", ""), strict=True
    ):
        assert (done.returncode, done.stdout) == (0, printed), done.stderr[-2000:]
    return folder


def test_a_checkpoint_of_two_processes_is_not_resumed_by_one(whole):
    done = run_here(arguments(whole, steps=STEPS + 5))
    assert done.returncode == 2
    assert "processes was 2 and is 1" in done.stderr


def test_two_processes_train_one_model_and_are_resumed(whole, tmp_path):
    folder = tmp_path / "stopped"
    process = start_waiting(arguments(folder, TWO), folder)
    process.send_signal(signal.SIGTERM)
    done = process.wait()
    assert done.returncode == 2, done.stderr[-2000:]
    assert len(read_losses(folder / "run" / "losses.csv")) == 8
    for done in run_two_forked(arguments(folder), folder):
        assert done.returncode == 0, done.stderr[-2000:]
    losses = read_losses(folder / "run" / "losses.csv")
    assert losses == read_losses(whole / "run" / "losses.csv")
    assert list(losses) == list(range(STEPS))


def test_a_full_disk_ends_two_processes_with_one_message(tmp_path):
    first, second = run_two_forked(arguments(tmp_path, steps=10), tmp_path, max_file_size=30_000)
    assert (first.returncode, second.returncode) == (2, 2)
    messages = first.stderr + second.stderr
    assert messages.count("train vae: the checkpoint after step 5 could not be written to") == 1
    assert "Traceback" not in messages


def test_an_error_in_one_of_two_processes_is_reported_with_its_exit_code(tmp_path):
    training = arguments(tmp_path, "--set", "vae={}", "--set", "start=/no/such/folder")
    for done in run_two_forked(training, tmp_path):
        assert done.returncode == 2
        assert "/no/such/folder" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("training", "code", "message"),
    [(["--help"], 0, "number of processes on this machine"), (["no-such-kind", "train.toml"], 2, "invalid choice")],
)
def test_the_launcher_returns_the_exit_code_of_its_processes(training, code, message, capfd):
    assert launch_processes(2, training) == code
    assert message in "".join(capfd.readouterr())
