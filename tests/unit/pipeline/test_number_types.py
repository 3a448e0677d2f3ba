"""Weights in 16 bits give nearly the frames of float32, and never black ones."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from easyanimate.pipeline import EasyAnimatePipeline

SMALL_MODEL = "easyanimate-v3-tiny"


def frames(folder: Path, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """Eight frames of 64x64 in 0..1."""
    pipe = EasyAnimatePipeline.from_pretrained(folder, torch_dtype=dtype)
    settings = {"height": 64, "width": 64, "num_frames": 8, "num_inference_steps": 8, "guidance_scale": 4.0}
    return pipe("a red circle on a blue background", **settings, generator=seed, output_type="pt").frames.float()


@pytest.fixture(scope="module")
def single(models_dir: Path) -> Tensor:
    return frames(models_dir / SMALL_MODEL, torch.float32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_make_nearly_the_same_frames(dtype: torch.dtype, models_dir: Path, single: Tensor) -> None:
    generated = frames(models_dir / SMALL_MODEL, dtype)
    assert generated.isfinite().all()
    assert generated.std() > 0.05
    assert (generated - single).abs().mean() < 0.02  # another seed differs by 0.4
