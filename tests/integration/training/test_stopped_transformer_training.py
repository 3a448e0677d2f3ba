"""Trainings of a transformer that are killed between two checkpoints, or meet a full disk."""

import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from easyanimate.tiny import TINY_MODEL
from tests.integration.training.commands import WAIT_STEP, run_forked, run_here, start_waiting
from tests.training_losses import read_losses

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("forked trainings")]  # one server imports torch for all

TRANSFORMER = """
model = "{model}"
train_text_encoder = true

[run]
output = "{output}/run"
steps = 12
device = "cpu"
checkpoint_every = 4
log_every = 1

[ema]
decay = 0.9

[masks]
single = 0.5

[[data.batches]]
frames = 8
height = 32
width = 32
batch_size = 2
remembered = 64

[[data.batches]]
frames = 1
height = 32
width = 32
batch_size = 4
"""


def arguments(folder: Path, models_dir: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    file = folder / "train.toml"
    file.write_text(TRANSFORMER.format(model=models_dir / TINY_MODEL, output=folder))
    return ["transformer", str(file)]


def test_a_killed_training_is_resumed_with_the_same_losses_and_weights(tmp_path, models_dir):
    assert run_here(arguments(tmp_path / "whole", models_dir)).returncode == 0
    training = arguments(tmp_path / "killed", models_dir)
    process = start_waiting(training, tmp_path / "killed")
    process.send_signal(signal.SIGKILL)
    assert process.wait().returncode == -signal.SIGKILL
    whole, resumed = (tmp_path / name / "run" for name in ("whole", "killed"))
    assert list(read_losses(resumed / "losses.csv")) == list(range(WAIT_STEP))
    assert [path.name for path in (resumed / "checkpoints").iterdir()] == ["step-00000004"]
    assert run_here(training).returncode == 0
    assert read_losses(resumed / "losses.csv") == read_losses(whole / "losses.csv")
    for network in ("transformer/diffusion_pytorch_model", "text_encoder/model"):
        one, other = (load_file(run / "result" / f"{network}.safetensors") for run in (whole, resumed))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_full_disk_while_clips_are_encoded_ends_the_training(tmp_path, models_dir):
    done = run_forked(arguments(tmp_path, models_dir), tmp_path, max_file_size=3000)
    assert done.returncode == 2
    assert f"encoded clips could not be written to {tmp_path}/run/remembered" in done.stderr
    assert "Traceback" not in done.stderr
