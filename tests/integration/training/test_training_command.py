"""Trainings as a user runs them: processes that are stopped, killed and go on, and what they say when they cannot."""

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
def uninterrupted(tmp_path_factory) -> dict[int, float]:
    """The losses of 20 steps in one go."""
    folder = tmp_path_factory.mktemp("whole")
    done = train(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "run" / "result")
    assert (folder / "run" / "result" / "diffusion_pytorch_model.safetensors").is_file()
    assert list((folder / "run" / "tensorboard").iterdir())
    return read_losses(folder / "run" / "losses.csv")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_training_that_was_stopped_goes_on_to_the_same_losses(uninterrupted, tmp_path, number):
    process = subprocess.Popen(command(tmp_path), env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    wait_for_checkpoint(process, tmp_path / "run" / "checkpoints")
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    if number == signal.SIGTERM:
        assert process.returncode == 2
        assert b"the same command goes on from there" in said
    before = read_losses(tmp_path / "run" / "losses.csv")
    assert len(before) < 20
    assert train(tmp_path).returncode == 0
    assert read_losses(tmp_path / "run" / "losses.csv") == uninterrupted


def wait_for_checkpoint(process: subprocess.Popen, folder: Path) -> None:
    for _ in range(2000):
        if checkpoints.newest_checkpoint(folder):
            return
        assert process.poll() is None
        time.sleep(0.05)
    pytest.fail("no checkpoint was written")


def test_a_hundred_steps_on_pictures_lower_the_loss_by_a_third(tmp_path):
    clips = VAE.index("[[data.batches]]\nframes = 8"), VAE.rindex("[[data.batches]]")
    pictures = (VAE[: clips[0]] + VAE[clips[1] :]).replace("batch_size = 2", "batch_size = 8")
    assert train(tmp_path, text=pictures, steps=100).returncode == 0
    losses = list(read_losses(tmp_path / "run" / "losses.csv").values())
    assert sum(losses[-10:]) < 0.67 * sum(losses[:10])  # 0.53 when this was written


def test_a_finished_training_says_its_result_again(uninterrupted, tmp_path):
    first = train(tmp_path, steps=2)
    again = train(tmp_path, steps=2)
    assert (again.returncode, again.stdout) == (0, first.stdout)


def test_other_settings_do_not_go_on_from_a_checkpoint_and_are_named(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    done = train(tmp_path, "--set", "data.masked=0.5", "--set", "run.seed=3", steps=10)
    assert done.returncode == 2
    assert "other settings: data.masked was 0.1 and is 0.5, run.seed was 0 and is 3; set them back" in done.stderr


def test_a_training_goes_on_with_a_lower_learning_rate_and_more_steps(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    lower = ["--set", "optimiser.learning_rate=1e-5", "--set", "optimiser.muon_learning_rate=1e-5"]
    assert train(tmp_path, *lower, steps=8).returncode == 0
    assert sorted(read_losses(tmp_path / "run" / "losses.csv")) == list(range(8))


def test_a_full_disk_ends_the_training_in_a_sentence_and_keeps_what_was_saved(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    kept = checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints")
    limited = ["prlimit", "--fsize=30000", *command(tmp_path, steps=10)]  # no file may grow larger
    done = subprocess.run(limited, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 2
    assert "could not be written to" in done.stderr
    assert "Traceback" not in done.stderr
    assert checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints") == kept
    assert train(tmp_path, steps=10).returncode == 0


def test_a_loss_that_is_no_number_ends_the_training_and_names_the_last_good_state(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    kept = checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints")
    wild = ["--set", "optimiser.muon_learning_rate=1e30", "--set", "optimiser.learning_rate=1e30"]
    done = train(tmp_path, *wild, steps=10)
    assert done.returncode == 2
    assert f"{kept} is the last good state; lower the learning rate" in done.stderr
    assert checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints") == kept
    assert train(tmp_path, steps=10).returncode == 0


def test_a_disk_that_is_full_of_events_ends_the_training_in_a_sentence(tmp_path):
    limited = ["prlimit", "--fsize=3000", *command(tmp_path, "--set", "run.checkpoint_every=100", steps=60)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 2
    assert "the log could not be written to" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_ends_two_processes_with_one_sentence(tmp_path):
    limited = ["prlimit", "--fsize=30000", *command(tmp_path, "--processes=2", steps=10)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 2
    assert done.stderr.count("train vae: the checkpoint after step 5 could not be written to") == 1
    assert "Traceback" not in done.stderr


def test_a_checkpoint_with_a_part_missing_is_named(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    (checkpoints.newest_checkpoint(tmp_path / "run" / "checkpoints") / "optimiser-1.safetensors").unlink()
    done = train(tmp_path, steps=10)
    assert done.returncode == 2
    assert "is damaged: optimiser-1.safetensors is missing; delete that folder" in done.stderr


def test_fewer_steps_than_were_done_are_refused(tmp_path):
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
def test_what_cannot_be_trained_is_refused_in_a_sentence(tmp_path, change, message):
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
def test_what_is_not_there_is_named(tmp_path, changes, message):
    done = train(tmp_path, *(part for change in changes for part in ("--set", change)))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", ["0", "-3"])
def test_no_processes_at_all_are_refused(tmp_path, number):
    done = train(tmp_path, f"--processes={number}")
    assert done.returncode == 2
    assert f"must be 1 or more, got {number}" in done.stderr


def test_a_file_that_is_no_settings_is_refused(tmp_path):
    done = train(tmp_path, text="steps = [")
    assert done.returncode == 2
    assert "train.toml cannot be read" in done.stderr


def test_two_processes_train_one_model_and_go_on_where_they_were_stopped(tmp_path):
    (tmp_path / "whole").mkdir()
    assert train(tmp_path / "whole", "--processes=2", steps=12).returncode == 0
    arguments = command(tmp_path, "--processes=2", steps=12)
    process = subprocess.Popen(arguments, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    wait_for_checkpoint(process, tmp_path / "run" / "checkpoints")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said[-2000:]
    done = train(tmp_path, "--processes=2", steps=12)
    assert done.returncode == 0, done.stderr[-2000:]
    losses = read_losses(tmp_path / "run" / "losses.csv")
    assert losses == read_losses(tmp_path / "whole" / "run" / "losses.csv")
    assert len(losses) == 12


def test_what_stops_one_of_two_processes_is_told_with_its_exit_code(tmp_path):
    done = train(tmp_path, "--processes=2", "--set", "vae={}", "--set", "start=/no/such/folder")
    assert done.returncode == 2
    assert "/no/such/folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkpoint_of_two_processes_is_not_one_processs(tmp_path):
    assert train(tmp_path, steps=5).returncode == 0
    done = train(tmp_path, "--processes=2", steps=10)
    assert done.returncode == 2
    assert "processes was 1 and is 2" in done.stderr
