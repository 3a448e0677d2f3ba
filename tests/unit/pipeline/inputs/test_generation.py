"""Settings that are refused, with a value that would work."""

import math
from typing import Any

import pytest
import torch
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.pipeline import SCHEDULERS, Generation, make_scheduler
from easyanimate.pipeline.schedulers.schedulers import MAX_STEPS, MIN_STEPS

GOOD: dict[str, Any] = {"prompt": "a cat", "height": 384, "width": 672, "num_frames": 72}


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"height": 100}, "height must be a multiple of 16, got 100; the nearest is 96"),
        ({"width": 0}, "width must be a multiple of 16, got 0; the nearest is 16"),
        ({"width": -16}, "got -16; the nearest is 16"),
        ({"num_frames": 12}, "num_frames must be 1 or a multiple of 8, got 12; the nearest is 16"),
        ({"num_frames": 0}, "got 0; the nearest is 1"),
        ({"num_frames": 1, "image": Image.new("RGB", (8, 8))}, "num_frames 8 or more"),
        ({"num_inference_steps": 0}, "num_inference_steps must be between 1 and 500 for euler, got 0"),
        ({"num_inference_steps": 3, "scheduler": "pndm"}, "between 4 and 500 for pndm"),
        ({"num_inference_steps": 501}, "got 501"),
        ({"guidance_scale": -0.1}, "guidance_scale must be 0 or more"),
        ({"guidance_scale": math.nan}, "guidance_scale"),
        ({"guidance_scale": math.inf}, "guidance_scale"),
        ({"scheduler": "Euler A"}, "scheduler must be one of euler, euler_ancestral, dpmpp_2m, pndm, ddim"),
        ({"clip_apply_ratio": 1.1}, "clip_apply_ratio must be between 0 and 1"),
        ({"image_resample": "lanczos"}, "image_resample must be one of bicubic, nearest"),
    ],
)
def test_what_the_model_cannot_make_is_refused(change: dict[str, Any], answer: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Generation(**{**GOOD, **change})
    assert answer in str(refusal.value)


@pytest.mark.parametrize("num_frames", [1, 8, 144])
def test_the_latents_have_a_quarter_of_the_frames_and_an_eighth_of_each_side(num_frames: int) -> None:
    shape = Generation(**{**GOOD, "num_frames": num_frames}).latent_shape(4)
    assert shape == (1, 4, max(1, num_frames // 4), 48, 84)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("steps", ["minimum", "maximum"])
def test_a_scheduler_accepts_its_minimum_and_maximum_of_steps(name: str, steps: str) -> None:
    count = MAX_STEPS[name] if steps == "maximum" else MIN_STEPS.get(name, 1)
    scheduler, x = make_scheduler(name), torch.ones(1, 4, 1, 2, 2)
    scheduler.set_timesteps(count)
    for timestep in scheduler.timesteps:
        x = scheduler.step(scheduler.scale_model_input(x, timestep) * 0.5, timestep, x, return_dict=False)[0]
    assert torch.isfinite(x).all()
