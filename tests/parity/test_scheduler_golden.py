"""The five schedulers of V3 against recorded timesteps, noise levels and trajectories."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.schedulers import scheduling_euler_ancestral_discrete as euler_ancestral
from safetensors.torch import load_file
from torch import Tensor

from easyanimate.pipeline.schedulers.denoise import first_latents
from easyanimate.pipeline.schedulers.schedulers import make_scheduler, num_timesteps, set_timesteps

RECORDED = load_file(Path(__file__).parents[1] / "golden" / "pipeline" / "misc" / "schedulers.safetensors")
NAMES = {"Euler": "euler", "Euler A": "euler_ancestral", "DPM++": "dpmpp_2m", "PNDM": "pndm", "DDIM": "ddim_clipped"}


def model(x: Tensor, timestep: Tensor) -> Tensor:
    """The closed form that replaces the model in the recorded trajectories."""
    return 0.9 * x / (1 + 0.1 * x.abs()) + 0.0003 * timestep.float() - 0.1


@pytest.mark.parametrize("steps", [4, 10, 25, 30])
@pytest.mark.parametrize("recorded_name", NAMES)
def test_timesteps_and_noise_levels_are_the_recorded_ones(recorded_name: str, steps: int) -> None:
    scheduler = make_scheduler(NAMES[recorded_name])
    scheduler.set_timesteps(steps)
    key = f"{recorded_name}.{steps}"
    torch.testing.assert_close(scheduler.timesteps.double(), RECORDED[f"{key}.timesteps"], rtol=1e-6, atol=1e-3)
    torch.testing.assert_close(torch.tensor(float(scheduler.init_noise_sigma)), RECORDED[f"{key}.init_noise_sigma"])
    if f"{key}.sigmas" in RECORDED:
        torch.testing.assert_close(scheduler.sigmas.double(), RECORDED[f"{key}.sigmas"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [4, 10, 25, 30])
@pytest.mark.parametrize("recorded_name", NAMES)
def test_the_number_of_model_calls_is_predicted(recorded_name: str, steps: int) -> None:
    assert num_timesteps(NAMES[recorded_name], steps) == len(RECORDED[f"{recorded_name}.{steps}.timesteps"])


# With strength 0.6, the reference skips the warm-up steps of PNDM and this library runs them, so the results differ.
CASES = [(name, strength) for name in NAMES for strength in (1.0, 0.6) if (name, strength) != ("PNDM", 0.6)]


@pytest.mark.parametrize(("recorded_name", "strength"), CASES)
def test_the_steps_follow_the_recorded_trajectory(
    recorded_name: str, strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"{recorded_name}.10.{strength}"
    noises = iter(RECORDED.get(f"{key}.step_noise", ()))
    monkeypatch.setattr(euler_ancestral, "randn_tensor", lambda *_args, **_kwargs: next(noises))
    scheduler: Any = make_scheduler(NAMES[recorded_name])
    timesteps = set_timesteps(scheduler, 10, strength)
    torch.testing.assert_close(timesteps.double(), RECORDED[f"{key}.timesteps_used"], rtol=1e-6, atol=1e-3)
    x = first_latents(scheduler, timesteps, RECORDED["noise"], None if strength == 1 else RECORDED["video_latents"])
    torch.testing.assert_close(x, RECORDED[f"{key}.x_init"])
    trajectory = []
    for timestep in timesteps:
        estimate = model(scheduler.scale_model_input(x, timestep), timestep)
        x = scheduler.step(estimate, timestep, x, return_dict=False)[0]
        trajectory.append(x)
    recorded = RECORDED[f"{key}.trajectory"]
    torch.testing.assert_close(torch.stack(trajectory), recorded, rtol=0, atol=2e-4 * recorded.abs().max().item())
