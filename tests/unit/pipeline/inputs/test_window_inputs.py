"""The digest of the inputs of a window: each of them changes it, and equal ones do not."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from PIL import Image

from easyanimate.pipeline import Generation, WindowInputs

RED, BLUE = Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")
FRAMES = torch.zeros((4, 32, 32, 3), dtype=torch.uint8)
BASE = Generation(prompt="a cat", image=RED, last_image=BLUE, width=32, height=32, num_frames=16)
OTHERS: dict[str, Any] = {
    "prompt": "a dog", "negative_prompt": "a dog", "image": BLUE, "last_image": RED, "height": 48, "width": 48,
    "num_frames": 24, "num_inference_steps": 24, "guidance_scale": 6.0, "scheduler": "ddim", "clip_apply_ratio": 0.4,
    "sample_posterior": False, "smooth": False, "clean_caption": False, "image_resample": "nearest",
    "quality": "fast",
}  # fmt: skip
OF_A_SOURCE_VIDEO = {"video", "mask", "strength", "context_frames"}


def inputs(request: Generation = BASE, **changes: Any) -> WindowInputs:
    values = {"kept": 16, "shared": 4, "generator_state": torch.Generator().manual_seed(3).get_state()}
    return WindowInputs(request=request, **{**values, **changes})


def test_each_setting_is_among_the_changes() -> None:
    assert {field.name for field in fields(Generation)} == OTHERS.keys() | OF_A_SOURCE_VIDEO


@pytest.mark.parametrize("name", OTHERS)
def test_each_setting_changes_the_digest(name: str) -> None:
    assert inputs(replace(BASE, **{name: OTHERS[name]})).sha256 != inputs().sha256


@pytest.mark.parametrize(
    "changes",
    [
        {"kept": 15},
        {"shared": 3},
        {"generator_state": torch.Generator().manual_seed(4).get_state()},
        {"picture": torch.zeros(32, 32, 3)},
        {"tail": FRAMES},
    ],
)
def test_what_flows_in_and_what_is_kept_change_the_digest(changes: dict[str, Any]) -> None:
    assert inputs(**changes).sha256 != inputs().sha256


def test_the_frames_that_a_window_continues_change_the_digest() -> None:
    continued = replace(BASE, image=None, context_frames=FRAMES)
    other = FRAMES.clone()
    other[3, 31, 31, 2] = 1
    assert inputs(continued).sha256 != inputs(replace(continued, context_frames=other)).sha256
    assert inputs(continued).sha256 == inputs(replace(continued, context_frames=FRAMES.clone())).sha256


def test_equal_inputs_have_equal_digests() -> None:
    assert inputs(replace(BASE, image=RED.copy())).sha256 == inputs().sha256
