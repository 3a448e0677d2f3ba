"""A recorded video of three windows, generated again with the recorded random numbers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from easyanimate.pipeline import EasyAnimatePipeline, Generation, generate_windows
from easyanimate.windows import plan_windows

INPUTS = Path(__file__).parents[1] / "golden" / "pipeline" / "inputs"
SEGMENTS = ("seg0.", "seg1.", "seg2.")


@dataclass
class Replay:
    recorded: dict[str, Tensor]
    frames: Tensor
    draws: Any
    latents: list[Tensor] = field(default_factory=list)


def truncate(frames: Tensor) -> Tensor:
    """Converts [0, 1] to 0..255 by truncation, as the reference does. This library rounds instead."""
    return (frames * 255).to(torch.uint8)


@pytest.fixture(scope="module")
def replay(recorded_pipe: EasyAnimatePipeline, recorded_run: Any, record_draws: Any) -> Replay:
    recorded, settings = recorded_run("long_video_euler")
    prompts = recorded_run("i2v_start_dpmpp")[1]
    draws = record_draws(recorded, SEGMENTS)
    latents: list[Tensor] = []
    request = Generation(
        prompt=prompts["prompt"],
        negative_prompt=prompts["negative_prompt"],
        image=Image.open(INPUTS / "start.png"),
        height=48,
        width=80,
        num_frames=int(settings["partial"]),
        num_inference_steps=int(settings["steps"]),
        guidance_scale=float(settings["cfg"]),
        scheduler="euler",
        image_resample="nearest",
    )
    plan = plan_windows(int(settings["total"]), window=int(settings["partial"]), overlap=int(settings["overlap"]))

    def on_step(_pipe: Any, _index: int, _timestep: Tensor, kwargs: dict[str, Tensor]) -> dict[str, Tensor]:
        latents.append(kwargs["latents"])
        return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("easyanimate.pipeline.stages.to_uint8", truncate)
        frames = torch.cat(list(generate_windows(recorded_pipe, request, plan, draws, on_step=on_step)))
    return Replay(recorded, frames, draws, latents[1::2])


def test_the_plan_is_the_recorded_one(replay: Replay) -> None:
    plan = plan_windows(32, window=16, overlap=4)
    assert [[part.start, part.num_frames] for part in plan] == replay.recorded["plan_init_and_len"].tolist()


def test_every_window_ends_at_the_recorded_latents(replay: Replay) -> None:
    for prefix, latents in zip(SEGMENTS, replay.latents, strict=True):
        recorded = replay.recorded[f"{prefix}step.1.latents_out"]
        torch.testing.assert_close(latents, recorded, rtol=0, atol=2e-4 * recorded.abs().max().item())


def test_the_frames_are_the_recorded_ones(replay: Replay) -> None:
    assert replay.frames.shape == (32, 48, 80, 3)
    recorded = replay.recorded["frames_u8"][0].permute(1, 2, 3, 0).int()
    difference = replay.frames[replay.recorded["frames_u8.index"]].int() - recorded
    assert difference.abs().max() <= 1  # of 255 levels, the effect of rounding


def test_every_recorded_random_number_is_used(replay: Replay) -> None:
    assert not any(replay.draws.left.values())
