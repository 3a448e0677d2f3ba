"""Memory profiles on a CUDA device: the same frames with less memory, with and without a LoRA."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from easyanimate.lora import LoraFile, LowRank, applied, flat_name
from easyanimate.memory import PROFILES, apply_memory_profile
from easyanimate.pipeline import EasyAnimatePipeline

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]

CHECKPOINT = Path(__file__).parents[1] / "golden" / "pipeline" / "checkpoint"
DIFFERENCE = {"normal": 0.0, "low": 1e-4, "lowest": 0.03}  # on average; lowest rounds the weights to 8 bits


@pytest.fixture(autouse=True)
def exact_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def in_profile(profile: Any) -> EasyAnimatePipeline:
    pipe = EasyAnimatePipeline.from_pretrained(CHECKPOINT)
    apply_memory_profile(pipe, profile, "cuda")
    return pipe


def frames(pipe: EasyAnimatePipeline, **changes: Any) -> Tensor:
    settings = {"height": 48, "width": 80, "num_frames": 16, "num_inference_steps": 3, "generator": 3} | changes
    return pipe("a red ball", "blurry", output_type="pt", **settings).frames


def peak(pipe: EasyAnimatePipeline) -> int:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    frames(pipe, height=256, width=256, num_inference_steps=1)
    return torch.cuda.max_memory_allocated()


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_has_nearly_the_frames_of_normal(profile):
    normal = frames(in_profile("normal"))
    pipe = in_profile(profile)
    first, second = frames(pipe), frames(pipe)
    assert (first - normal).abs().mean() <= DIFFERENCE[profile] + 1e-5
    torch.testing.assert_close(second, first, atol=1e-3, rtol=0)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_lora_works_in_each_profile_and_leaves_no_trace(profile):
    pipe = in_profile(profile)
    torch.manual_seed(4)
    layers = {
        path: module
        for path, module in pipe.transformer.named_modules()
        if isinstance(module, nn.Linear) and path.endswith("to_q")
    }
    updates = {
        flat_name(path): LowRank(torch.randn(2, layer.in_features), torch.randn(layer.out_features, 2))
        for path, layer in layers.items()
    }
    before = frames(pipe)
    with applied(pipe, [(LoraFile("a", updates, {}), 0.55)]):
        changed = frames(pipe)
    assert changed.isfinite().all()
    assert (changed - before).abs().max() > 0.1
    torch.testing.assert_close(frames(pipe), before, atol=1e-3, rtol=0)


def test_each_profile_needs_less_memory_than_normal():
    peaks = {}
    for profile in PROFILES:
        pipe = in_profile(profile)
        peaks[profile] = peak(pipe)
        del pipe
    assert peaks["low"] < peaks["normal"]
    assert peaks["lowest"] < peaks["normal"]
