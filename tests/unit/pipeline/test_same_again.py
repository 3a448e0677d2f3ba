"""Equal request, seed and weights give equal frames: after loading again, later, in another order."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.lora import LoraFile, LowRank, WeightOverride, applied, flat_name, overridden
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation, generate_windows
from easyanimate.windows import plan_windows

SETTINGS: dict[str, Any] = {"prompt": "a cat", "height": 32, "width": 32, "num_frames": 8, "num_inference_steps": 1}
SMALL_MODEL = "easyanimate-v3-tiny"


def frames(pipe: EasyAnimatePipeline, seed: int = 0, **changes: Any) -> Tensor:
    return pipe(**{**SETTINGS, **changes}, generator=seed, output_type="pt").frames


@pytest.fixture(scope="module")
def first_clip(pipe: EasyAnimatePipeline) -> Tensor:
    """The first clip of the pipeline."""
    return frames(pipe)


def style(pipe: EasyAnimatePipeline) -> LoraFile:
    layer = pipe.transformer.transformer_blocks[0].attn1.to_q
    update = LowRank(torch.ones(1, layer.in_features), torch.ones(layer.out_features, 1))
    return LoraFile("style", {flat_name("transformer_blocks.0.attn1.to_q"): update}, {})


def test_another_prompt_makes_other_frames(pipe: EasyAnimatePipeline, first_clip: Tensor) -> None:
    assert not torch.allclose(frames(pipe, prompt="a blue square"), first_clip)


def test_the_same_weights_loaded_anew_make_the_same_frames(checkpoint: Path, first_clip: Tensor) -> None:
    assert torch.equal(frames(EasyAnimatePipeline.from_pretrained(checkpoint)), first_clip)


def test_requests_of_every_kind_in_between_leave_no_trace(pipe: EasyAnimatePipeline, first_clip: Tensor) -> None:
    red = Image.new("RGB", (32, 32), "red")
    frames(pipe, 1, image=red, last_image=red.rotate(90), scheduler="dpmpp_2m")
    frames(pipe, 2, video=[red] * 8, strength=0.5, num_inference_steps=2)
    frames(pipe, 3, num_frames=1, height=64, guidance_scale=1.0)
    for _ in generate_windows(pipe, Generation(**SETTINGS), plan_windows(12, window=8, overlap=4), Draws.from_seed(4)):
        pass
    with applied(pipe, [(style(pipe), 0.55)]):
        assert not torch.equal(frames(pipe), first_clip)
    assert torch.equal(frames(pipe), first_clip)


def test_the_order_of_requests_has_no_effect(pipe: EasyAnimatePipeline) -> None:
    forwards = {seed: frames(pipe, seed) for seed in (5, 6, 7)}
    backwards = {seed: frames(pipe, seed) for seed in (7, 6, 5)}
    assert all(torch.equal(forwards[seed], backwards[seed]) for seed in forwards)
    assert not torch.equal(forwards[5], forwards[6])


def test_a_model_makes_the_same_after_another_model(checkpoint: Path, models_dir: Path, first_clip: Tensor) -> None:
    other = frames(EasyAnimatePipeline.from_pretrained(models_dir / SMALL_MODEL))
    assert torch.equal(frames(EasyAnimatePipeline.from_pretrained(checkpoint)), first_clip)
    assert not torch.allclose(other, first_clip)


def test_two_models_side_by_side_do_not_meet(pipe: EasyAnimatePipeline, models_dir: Path, first_clip: Tensor) -> None:
    other = EasyAnimatePipeline.from_pretrained(models_dir / SMALL_MODEL)
    alone = frames(other)
    assert torch.equal(frames(pipe), first_clip)
    assert torch.equal(frames(other), alone)


def test_overriding_weights_changes_the_frames_and_only_for_its_time(
    pipe: EasyAnimatePipeline, first_clip: Tensor
) -> None:
    weights = pipe.transformer.get_parameter("proj_out.weight")
    with overridden(pipe.transformer, WeightOverride("style", {"proj_out.weight": weights.flip(0).clone()})):
        assert not torch.allclose(frames(pipe), first_clip)
    assert torch.equal(frames(pipe), first_clip)
