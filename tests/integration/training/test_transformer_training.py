"""Trainings of a transformer over the small model: what learns, what rests, and that they go on as if never stopped."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny import TINY_MODEL
from easyanimate.tiny.fresh import make_fresh_pipeline
from easyanimate.training.run import checkpoints
from easyanimate.training.run.logs import read_losses
from easyanimate.training.run.loop import Training
from easyanimate.training.tasks.task import TaskContext
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings
from easyanimate.training.tasks.transformer_task import TransformerTask

NONE = {"caption": 0.0, "image": 0.0}
BATCH = {"frames": 8, "height": 32, "width": 32, "batch_size": 2}


def settings(folder: Path, model: Path, **changes) -> TransformerTrainingSettings:
    run = {"output": folder, "steps": 3, "device": "cpu", "log_every": 1, **changes.pop("run", {})}
    told = {"run": run, "model": model, "data": {"batches": [BATCH]}, "optimiser": {"learning_rate": 1e-3}, **changes}
    return TransformerTrainingSettings.model_validate(told)


def losses(told: TransformerTrainingSettings) -> dict[int, float]:
    AcceleratorState._reset_state(reset_partial_state=True)  # it is one for the whole process, with one precision
    Training(TransformerTask(told), told).go()
    return read_losses(told.run.output / "losses.csv")


@pytest.fixture
def model(models_dir) -> Path:
    return models_dir / TINY_MODEL


@pytest.fixture(scope="module")
def plain(tmp_path_factory, models_dir) -> dict[int, float]:
    """The losses of three steps in float32, with nothing special."""
    return losses(settings(tmp_path_factory.mktemp("plain"), models_dir / TINY_MODEL))


def test_a_fresh_model_learns_and_its_result_makes_videos(tmp_path, model):
    fresh = make_fresh_pipeline(tmp_path / "fresh", EasyAnimatePipeline.from_pretrained(model).vae)
    fresh.save_pretrained(tmp_path / "fresh")
    told = settings(
        tmp_path / "run",
        tmp_path / "fresh",
        run={"steps": 60},
        train=[""],
        train_text_encoder=True,
        train_image_encoder=True,
        loss={"kind": "noise", "steps": "stratified"},
        optimiser={"kind": "muon", "learning_rate": 2e-3, "muon_learning_rate": 2e-3, "warmup_steps": 5},
        ema={"decay": 0.9},
        data={"batches": [{**BATCH, "batch_size": 16, "remembered": 64}]},
    )
    seen = list(losses(told).values())
    assert sum(seen[-10:]) < 0.8 * sum(seen[:10])
    pipe = EasyAnimatePipeline.from_pretrained(tmp_path / "run" / "result")
    made = pipe("a red circle", height=32, width=32, num_frames=8, num_inference_steps=2, generator=0, output_type="np")
    assert made.frames.shape[-4:] == (8, 32, 32, 3)


def test_the_losses_do_not_depend_on_gradient_checkpointing(tmp_path, model, plain):
    assert losses(settings(tmp_path, model, gradient_checkpointing=True)) == pytest.approx(plain, rel=1e-5)


def test_bfloat16_trains_to_nearly_the_same_losses(tmp_path, model, plain):
    assert losses(settings(tmp_path, model, run={"mixed_precision": "bf16"})) == pytest.approx(plain, rel=0.05)


def test_an_accumulated_step_has_the_mean_of_its_parts_losses_and_gradients(tmp_path, model):
    def first_step(name: str, parts: int) -> tuple[float, float]:
        told = settings(tmp_path / name, model, run={"gradient_accumulation_steps": parts, "steps": 1}, dropout=NONE)
        losses(told)
        values = (read_losses(told.run.output / "losses.csv", name)[0] for name in ("loss", "gradient_norm"))
        return tuple(values)

    class SamePart(TransformerTask):
        def batch(self, place: TaskContext) -> dict[str, torch.Tensor]:
            return super().batch(replace(place, part=0))

    told = settings(tmp_path / "same", model, run={"gradient_accumulation_steps": 3, "steps": 1}, dropout=NONE)
    AcceleratorState._reset_state(reset_partial_state=True)
    Training(SamePart(told), told).go()
    same = [read_losses(told.run.output / "losses.csv", name)[0] for name in ("loss", "gradient_norm")]
    assert same == pytest.approx(first_step("one", 1), rel=1e-4)  # three times the same part is that part
    assert first_step("three", 3) != pytest.approx(first_step("again", 1), rel=1e-4)


def test_only_the_named_parts_learn_and_frozen_networks_rest(tmp_path, model):
    told = settings(tmp_path, model, train=["attn_temporal"])
    task = TransformerTask(told)
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    training = Training(task, told)
    assert (task.network.transformer.training, task.network.text_encoder.training) == (True, False)
    training.go()
    changed = {name for name, value in task.network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all("attn_temporal" in name for name in changed)


def test_dropout_rests_in_a_frozen_encoder_and_is_a_function_of_the_step_in_one_that_learns(tmp_path, model):
    def with_dropout(name: str, **changes) -> dict[int, float]:
        told = settings(tmp_path / name, model, **changes)
        task = TransformerTask(told)
        for module in task.network.text_encoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.5
        Training(task, told).go()
        return read_losses(told.run.output / "losses.csv")

    assert with_dropout("frozen") == losses(settings(tmp_path / "none", model))
    learning = with_dropout("one", train_text_encoder=True)
    assert learning != losses(settings(tmp_path / "plain", model, train_text_encoder=True))
    torch.rand(7)  # what was drawn before does not matter
    assert with_dropout("again", train_text_encoder=True) == learning


def test_clips_encoded_with_other_settings_are_not_used_again(tmp_path, model):
    batches = {"batches": [{**BATCH, "remembered": 64}]}
    for masks in ({"nothing": 1.0, "start": 1.0}, {"nothing": 1.0, "start": 1.0}, {"single": 1.0}):
        TransformerTask(settings(tmp_path, model, data=batches, masks=masks))
    folders = list((tmp_path / "remembered").iterdir())
    assert len(folders) == 2
    given = [load_file(next(folder.iterdir()))["ends"] for folder in folders]
    assert sorted(int(ends[:, 0].max()) for ends in given) == [1, 4]


def test_a_start_picture_counts_more_where_asked_for(tmp_path, model):
    ways = {"masks": {"nothing": 0, "start": 1, "ends": 0}}
    more = losses(settings(tmp_path / "more", model, loss={"kind": "noise", "start": 5.0}, **ways))
    alike = losses(settings(tmp_path / "alike", model, loss={"kind": "noise"}, **ways))
    assert more[0] != alike[0]
    none = {"masks": {"nothing": 1, "start": 0, "ends": 0}}
    more = losses(settings(tmp_path / "none", model, loss={"kind": "noise", "start": 5.0}, **none))
    alike = losses(settings(tmp_path / "none_alike", model, loss={"kind": "noise"}, **none))
    assert more[0] == pytest.approx(alike[0], rel=1e-5)


KILLED = """
model = "{model}"
train_text_encoder = true

[run]
output = "{output}"
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


def command(folder: Path, model: Path) -> list[str]:
    folder.mkdir(exist_ok=True)
    file = folder / "train.toml"
    file.write_text(KILLED.format(model=model, output=folder / "run"))
    return [sys.executable, "-m", "easyanimate.training", "transformer", str(file)]


def start(folder: Path, model: Path) -> subprocess.Popen:
    return subprocess.Popen(
        command(folder, model), env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL
    )


def test_a_killed_training_goes_on_to_the_same_losses_and_weights(tmp_path, model):
    assert start(tmp_path / "whole", model).wait(280) == 0
    killed = start(tmp_path / "killed", model)
    while not checkpoints.newest_checkpoint(tmp_path / "killed" / "run" / "checkpoints"):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    assert not (tmp_path / "killed" / "run" / "result").exists()
    assert start(tmp_path / "killed", model).wait(280) == 0
    whole, again = (tmp_path / name / "run" for name in ("whole", "killed"))
    assert read_losses(again / "losses.csv") == read_losses(whole / "losses.csv")
    for network in ("transformer/diffusion_pytorch_model", "text_encoder/model"):
        one, other = (load_file(run / "result" / f"{network}.safetensors") for run in (whole, again))
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_disk_that_is_full_of_encoded_clips_is_told_in_a_sentence(tmp_path, model):
    limited = ["prlimit", "--fsize=3000", *command(tmp_path, model)]  # no file may grow larger
    done = subprocess.run(limited, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 2
    assert f"encoded clips could not be written to {tmp_path}/run/remembered" in done.stderr
    assert "Traceback" not in done.stderr
