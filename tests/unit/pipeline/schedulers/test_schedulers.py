"""Laws of the schedulers that the recorded numbers do not show."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation, generate_windows
from easyanimate.pipeline.schedulers import schedulers
from easyanimate.pipeline.schedulers.denoise import first_latents, guide, predict_original
from easyanimate.pipeline.schedulers.schedulers import (
    MIN_STEPS,
    SCHEDULERS,
    check_steps,
    kept_steps,
    make_scheduler,
    num_timesteps,
    set_timesteps,
)
from easyanimate.windows import Window


def times(name: str, steps: int, strength: float) -> Tensor:
    return set_timesteps(make_scheduler(name), steps, strength).float()


def test_each_name_builds_a_scheduler_and_each_scheduler_has_a_name() -> None:
    assert tuple(schedulers._BUILDERS) == SCHEDULERS


@pytest.mark.parametrize(("steps", "strength", "kept"), [(10, 1.0, 10), (10, 0.6, 6), (4, 0.5, 2), (25, 0.03, 0)])
def test_strength_keeps_the_whole_part_of_its_share(steps: int, strength: float, kept: int) -> None:
    assert kept_steps(steps, strength) == kept


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("more", [0, 3, 21])
def test_a_refused_strength_names_the_lowest_that_is_accepted(name: str, more: int) -> None:
    steps = MIN_STEPS.get(name, 1) + more
    with pytest.raises(InvalidInput) as refusal:
        check_steps(name, steps, 0.001)
    (lowest,) = re.findall(r"use strength ([\d.]+) or more", str(refusal.value))
    assert lowest == str(round(float(lowest), 2))
    check_steps(name, steps, float(lowest))
    with pytest.raises(InvalidInput):
        check_steps(name, steps, float(lowest) - 0.01)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_without_a_strength_all_steps_run(name: str) -> None:
    steps = MIN_STEPS.get(name, 1) + 2
    check_steps(name, steps)
    assert num_timesteps(name, steps) == num_timesteps(name, steps, 1.0)
    assert torch.equal(set_timesteps(make_scheduler(name), steps).float(), times(name, steps, 1.0))


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("strength", [0.5, 0.75])
def test_less_strength_starts_later_and_ends_at_the_same_time(name: str, strength: float) -> None:
    whole, part = times(name, 20, 1.0), times(name, 20, strength)
    assert part[0] < whole[0]
    assert part[-1] == whole[-1]
    assert part[0] / whole[0] == pytest.approx(strength, abs=0.08)


def test_the_warm_up_of_pndm_begins_where_ddim_begins() -> None:
    assert times("pndm", 20, 0.5)[0] == times("ddim", 20, 0.5)[0]


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_pndm_finds_a_straight_way_at_any_strength(strength: float) -> None:
    """If the model always predicts the same noise, each step leads to the same image."""
    scheduler, noise = make_scheduler("pndm"), torch.randn(1, 4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    timesteps = set_timesteps(scheduler, 20, strength)
    x = scheduler.add_noise(torch.full_like(noise, 0.3), noise, timesteps[:1])
    for timestep in timesteps:
        x = scheduler.step(noise, timestep, x, return_dict=False)[0]
    left = (1 - scheduler.final_alpha_cumprod) ** 0.5  # PNDM stops at the first training step, just before no noise
    torch.testing.assert_close(x, 0.3 * scheduler.final_alpha_cumprod**0.5 + left * noise, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "calls"),
    [("euler", 10), ("unipc", 10), ("heun", 19), ("lcm", 10), ("pndm", 19), ("ddim_clipped", 10)],
)
def test_the_calls_of_ten_steps_are_counted(name: str, calls: int) -> None:
    assert num_timesteps(name, 10) == calls


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_clean_latents_follow_from_the_noise_in_them(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(1, 4, 2, 3, 3, generator=generator) for _ in range(2))
    scheduler = make_scheduler(name)
    timesteps = set_timesteps(scheduler, 10, 0.5)
    latents = scheduler.scale_model_input(first_latents(scheduler, timesteps, noise, clean), timesteps[0])
    original = predict_original(scheduler, latents, timesteps[0], noise)
    torch.testing.assert_close(original, clean, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("scale", "guided"), [(0.0, -1.0), (1.0, 3.0), (2.5, 9.0)])
def test_guidance_goes_from_the_negative_row_towards_the_other(scale: float, guided: float) -> None:
    rows = torch.tensor([-1.0, 3.0]).view(2, 1, 1, 1, 1)
    assert guide(rows, scale).tolist() == torch.full((1, 1, 1, 1, 1), guided).tolist()
    assert guide(rows[1:], scale).item() == 3.0


@pytest.fixture
def scheduled(pipe: EasyAnimatePipeline) -> Iterator[EasyAnimatePipeline]:
    """The pipeline; its scheduler is restored after the test."""
    before = pipe.scheduler
    yield pipe
    pipe.scheduler = before


@pytest.mark.parametrize(
    ("other", "name"),
    [(DDIMScheduler(), "ddim"), (DPMSolverMultistepScheduler(), "dpmpp_2m"), (EulerDiscreteScheduler(), "euler")],
)
def test_another_scheduler_on_the_pipeline_is_refused_with_the_name_to_pass(
    other: Any, name: str, scheduled: EasyAnimatePipeline, latents_of: Callable[..., Tensor]
) -> None:
    scheduled.scheduler = other
    with pytest.raises(InvalidInput, match=f'pipe.scheduler was replaced .* scheduler="{name}"'):
        latents_of()


def test_a_scheduler_on_the_pipeline_that_the_call_uses_anyway_is_accepted(
    scheduled: EasyAnimatePipeline, latents_of: Callable[..., Tensor]
) -> None:
    before = latents_of(scheduler="ddim")
    scheduled.scheduler = make_scheduler("ddim")
    assert torch.equal(latents_of(scheduler="ddim"), before)


def test_a_scheduler_that_differs_in_one_setting_is_refused(
    scheduled: EasyAnimatePipeline, latents_of: Callable[..., Tensor]
) -> None:
    scheduled.scheduler = make_scheduler("ddim_clipped")
    with pytest.raises(InvalidInput, match=r"pipe\.scheduler was replaced"):
        latents_of(scheduler="ddim")


def test_a_scheduler_from_the_constructor_is_no_error(pipe: EasyAnimatePipeline) -> None:
    parts = {**pipe.components, "scheduler": DPMSolverMultistepScheduler()}
    frames = deepcopy(EasyAnimatePipeline(**parts))
    frames("a cat", height=32, width=32, num_frames=1, num_inference_steps=1, output_type="latent")


def test_windows_refuse_another_scheduler_on_the_pipeline_too(scheduled: EasyAnimatePipeline) -> None:
    scheduled.scheduler = DDIMScheduler()
    request = Generation(prompt="a cat", height=32, width=32, num_frames=8)
    with pytest.raises(InvalidInput, match=r"pipe\.scheduler was replaced"):
        next(generate_windows(scheduled, request, [Window(0, 8, 8)], Draws.from_seed(0)))
