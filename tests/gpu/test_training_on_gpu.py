"""Trainings on a CUDA device, also resumed from a checkpoint."""

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState

from easyanimate.tiny import TINY_MODEL
from easyanimate.training.run.single_process import KINDS
from easyanimate.training.tasks.lora_task import LORA_FILE
from tests.training_losses import read_losses

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

RUN = """
[run]
output = "{output}"
steps = {steps}
mixed_precision = "{precision}"
checkpoint_every = 2
sample_every = 2
log_every = 1

[ema]
decay = 0.9

[[data.batches]]
frames = 8
height = 32
width = 32
batch_size = 2
{more}
"""
MODEL = 'model = "{model}"\ngradient_checkpointing = true\nsample_prompts = ["a red circle"]\n'
FIRST: dict[str, str] = {
    "vae": "[vae]\nch = 8\nch_mult = [1, 1, 1, 2]\nlayers_per_block = 1\nnorm_num_groups = 1\n",
    "transformer": MODEL + "train_text_encoder = true\n",
    "lora": MODEL + "[lora]\nrank = 4\ntext_encoder = true\n",
}
RESULT = {
    "vae": "diffusion_pytorch_model.safetensors",
    "transformer": "transformer/diffusion_pytorch_model.safetensors",
    "lora": LORA_FILE,
}


def train(kind: str, folder: Path, models_dir: Path, **values: Any) -> dict[int, float]:
    text = FIRST[kind].format(model=models_dir / TINY_MODEL) + RUN.format(output=folder / "run", **values)
    (folder / "train.toml").write_text(text)
    AcceleratorState._reset_state(reset_partial_state=True)  # a process has one state, but several trainings run in it
    result = KINDS[kind](folder / "train.toml", {})
    assert (result / RESULT[kind]).is_file()
    return read_losses(folder / "run" / "losses.csv")


@pytest.mark.parametrize("kind", sorted(FIRST))
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_training_runs_and_resumes_on_the_gpu(tmp_path, models_dir, kind, precision):
    torch.cuda.reset_peak_memory_stats()
    values = {"precision": precision, "more": "" if kind == "vae" else "remembered = 64"}
    assert sorted(train(kind, tmp_path, models_dir, steps=2, **values)) == [0, 1]
    assert torch.cuda.max_memory_allocated() > 0
    losses = train(kind, tmp_path, models_dir, steps=4, **values)
    assert sorted(losses) == [0, 1, 2, 3]
    assert all(0 < loss < 100 for loss in losses.values())


@pytest.mark.parametrize("kind", sorted(FIRST))
def test_the_losses_on_the_gpu_are_those_on_the_cpu(tmp_path, models_dir, kind, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    losses = {}
    for device in ("auto", "cpu"):
        (tmp_path / device).mkdir()
        values = {"precision": f'no"\ndevice = "{device}', "more": ""}
        losses[device] = train(kind, tmp_path / device, models_dir, steps=2, **values)
    assert losses["auto"] == pytest.approx(losses["cpu"], rel=1e-3)
