"""Trainings from the command line: stopped, killed and resumed processes, and their error messages."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from easyanimate.training.run import checkpoints
from easyanimate.training.run.logs import read_losses

VAE = """
[run]
output = "{output}"
steps = {steps}
checkpoint_every = 5
log_every = 1
device = "cpu"

[optimiser]
kind = "muon"
muon_learning_rate = 3e-3
learning_rate = 2e-3
warmup_steps = 5

[ema]
decay = 0.9

[vae]
ch = 8
ch_mult = [1, 1, 1, 2]
layers_per_block = 1
norm_num_groups = 1

[loss]
l2 = 2.0

[data]
masked = 0.1

[[data.batches]]
frames = 8
crop = 32
batch_size = 1

[[data.batches]]
frames = 1
height = 32
width = 32
batch_size = 2
"""


def command(folder: Path, *more: str, steps: int = 20, text: str = VAE) -> list[str]:
    file = folder / "train.toml"
    file.write_text(text.format(output=folder / "run", steps=steps))
    return [sys.executable, "-m", "easyanimate.training", "vae", str(file), *more]


def train(folder: Path, *more: str, **changes) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = command(folder, *more, **changes)
    return subprocess.run(arguments, capture_output=True, text=True, timeout=280, check=False, env=environment)


@pytest.fixture(scope="module")
def uninterrupted_losses(tmp_path_factory) -> dict[int, float]:
    """The losses of 20 steps without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    done = train(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "run" / "result")
    assert (folder / "run" / "result" / "diffusion_pytorch_model.safetensors").is_file()
    assert list((folder / "run" / "tensorboard").iterdir())
    return read_losses(folder / "run" / "losses.csv")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_training_is_resumed_with_the_same_losses(uninterrupted_losses, tmp_path, number):
    process = subprocess.Popen(command(tmp_path), env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    wait_for_checkpoint(process, tmp_path / "run" / "checkpoints")
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    if number == signal.SIGTERM:
        assert process.returncode == 2
        assert b"the same command continues from there" in stderr
    before = read_losses(tmp_path / "run" / "losses.csv")
    assert len(before) < 20
    assert train(tmp_path).returncode == 0
    assert read_losses(tmp_path / "run" / "losses.csv") == uninterrupted_losses


def wait_for_checkpoint(process: subprocess.Popen, folder: Path) -> None:
    for _ in range(2000):
        if checkpoints.newest_checkpoint(folder):
            return
        assert process.poll() is None
        time.sleep(0.05)
    pytest.fail("no checkpoint was written")


def test_a_hundred_steps_on_images_lower_the_loss_by_a_third(tmp_path):
    clips = VAE.index("[[data.batches]]\nframes = 8"), VAE.rindex("[[data.batches]]")
    images = (VAE[: clips[0]] + VAE[clips[1] :]).replace("batch_size = 2", "batch_size = 8")
    assert train(tmp_path, text=images, steps=100).returncode == 0
    losses = list(read_losses(tmp_path / "run" / "losses.csv").values())
    assert sum(losses[-10:]) < 0.67 * sum(losses[:10])  # 0.53 when this was written


def test_a_finished_training_prints_its_result_again(uninterrupted_losses, tmp_path):
    first = train(tmp_path, steps=2)
    second = train(tmp_path, steps=2)
    assert (second.returncode, second.stdout) == (0, first.stdout)


def test_a_training_with_other_settings_is_not_resumed_and_they_are_reported(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    done = train(tmp_path, "--set", "data.masked=0.5", "--set", "run.seed=3", steps=10)
    assert done.returncode == 2
    assert "other settings: data.masked was 0.1 and is 0.5, run.seed was 0 and is 3; set them back" in done.stderr


def test_a_training_is_resumed_with_a_lower_learning_rate_and_more_steps(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    lower = ["--set", "optimiser.learning_rate=1e-5", "--set", "optimiser.muon_learning_rate=1e-5"]
    assert train(tmp_path, *lower, steps=8).returncode == 0
    assert sorted(read_losses(tmp_path / "run" / "losses.csv")) == list(range(8))


def test_a_full_disk_ends_the_training_and_keeps_earlier_checkpoints(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    checkpoint = checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints")
    limited = ["prlimit", "--fsize=30000", *command(tmp_path, steps=10)]  # no file may grow larger
    done = subprocess.run(limited, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 2
    assert "could not be written to" in done.stderr
    assert "Traceback" not in done.stderr
    assert checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints") == checkpoint
    assert train(tmp_path, steps=10).returncode == 0


def test_a_loss_that_is_not_finite_ends_the_training_and_reports_the_last_checkpoint(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    checkpoint = checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints")
    wild = ["--set", "optimiser.muon_learning_rate=1e30", "--set", "optimiser.learning_rate=1e30"]
    done = train(tmp_path, *wild, steps=10)
    assert done.returncode == 2
    assert f"{checkpoint} is the last good state; lower the learning rate" in done.stderr
    assert checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints") == checkpoint
    assert train(tmp_path, steps=10).returncode == 0


def test_a_full_disk_while_events_are_written_ends_the_training(tmp_path):
    limited = ["prlimit", "--fsize=3000", *command(tmp_path, "--set", "run.checkpoint_every=100", steps=60)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 2
    assert "the log could not be written to" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_ends_two_processes_with_one_message(tmp_path):
    limited = ["prlimit", "--fsize=30000", *command(tmp_path, "--processes=2", steps=10)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 2
    assert done.stderr.count("train vae: the checkpoint after step 5 could not be written to") == 1
    assert "Traceback" not in done.stderr


def test_a_checkpoint_without_one_of_its_files_is_reported(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    (checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints") / "optimiser-1.safetensors").unlink()
    done = train(tmp_path, steps=10)
    assert done.returncode == 2
    assert "is damaged: optimiser-1.safetensors is missing; delete that folder" in done.stderr


def test_fewer_steps_than_the_checkpoint_has_are_refused(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    done = train(tmp_path, steps=3)
    assert done.returncode == 2
    assert "has more steps than run.steps = 3" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("run.steps=0", "run.steps: Input should be greater than 0"),
        ("run.speed=3", "run.speed: Extra inputs are not permitted"),
        ("start=/no/such/folder", "vae and start exclude each other"),
        ("vae.norm_num_groups=3", "norm_num_groups 3 must divide every width"),
        ('data.batches=[{"frames": 9, "batch_size": 1}]', "data.batches.0: frames must be 1 or a multiple of 8, got 9"),
        ("data.batches.0.frames=9", "data.batches.0: frames must be 1 or a multiple of 8, got 9"),
        ("run.steps.most=9", "run.steps.most cannot be set: run.steps is 20, no table or list"),
        (
            'data.world.shapes=["star"]',
            "data.world: shapes must be some of circle, square, triangle, cross, got ['star']",
        ),
    ],
)
def test_invalid_settings_are_refused_in_a_sentence(tmp_path, change, message):
    done = train(tmp_path, "--set", change)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["vae={}", "start=/no/such/folder"], "/no/such/folder"),
        (["data.batches.0.crop=null", 'data.files={"metadata": "/no/list.json"}'], "/no/list.json cannot be read"),
    ],
)
def test_missing_files_are_reported(tmp_path, changes, message):
    done = train(tmp_path, *(part for change in changes for part in ("--set", change)))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", ["0", "-3"])
def test_a_number_of_processes_below_1_is_refused(tmp_path, number):
    done = train(tmp_path, f"--processes={number}")
    assert done.returncode == 2
    assert f"must be 1 or more, got {number}" in done.stderr


def test_a_file_without_settings_is_refused(tmp_path):
    done = train(tmp_path, text="steps = [")
    assert done.returncode == 2
    assert "train.toml cannot be read" in done.stderr


def test_two_processes_train_one_model_and_are_resumed(tmp_path):
    (tmp_path / "whole").mkdir()
    assert train(tmp_path / "whole", "--processes=2", steps=12).returncode == 0
    arguments = command(tmp_path, "--processes=2", steps=12)
    process = subprocess.Popen(arguments, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    wait_for_checkpoint(process, tmp_path / "run" / "checkpoints")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2, stderr[-2000:]
    done = train(tmp_path, "--processes=2", steps=12)
    assert done.returncode == 0, done.stderr[-2000:]
    losses = read_losses(tmp_path / "run" / "losses.csv")
    assert losses == read_losses(tmp_path / "whole" / "run" / "losses.csv")
    assert len(losses) == 12


def test_an_error_in_one_of_two_processes_is_reported_with_its_exit_code(tmp_path):
    done = train(tmp_path, "--processes=2", "--set", "vae={}", "--set", "start=/no/such/folder")
    assert done.returncode == 2
    assert "/no/such/folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkpoint_of_one_process_is_not_resumed_by_two(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    done = train(tmp_path, "--processes=2", steps=10)
    assert done.returncode == 2
    assert "processes was 1 and is 2" in done.stderr
