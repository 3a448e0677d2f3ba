"""The schedulers on a closed form instead of a model, and the recording of those that the reference does not have.

`python -m tests.parity.scheduler_runs` records them again with the installed diffusers.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers.schedulers import scheduling_euler_ancestral_discrete, scheduling_lcm
from safetensors.torch import load_file, save_file
from torch import Tensor

from easyanimate.pipeline.schedulers.denoise import first_latents
from easyanimate.pipeline.schedulers.schedulers import make_scheduler, set_timesteps

MISC = Path(__file__).parents[1] / "golden" / "pipeline" / "misc"
REFERENCE = load_file(MISC / "schedulers.safetensors")
OWN_FILE = MISC / "schedulers_of_diffusers.safetensors"
OWN = ("ddim", "unipc", "heun", "lcm")
STEPS = (4, 10, 25, 30)
STRENGTHS = (1.0, 0.6)
STEP_NOISE = {strength: REFERENCE[f"Euler A.10.{strength}.step_noise"] for strength in STRENGTHS}


def closed_form(x: Tensor, timestep: Tensor) -> Tensor:
    """The closed form that replaces the model in the recorded trajectories."""
    return 0.9 * x / (1 + 0.1 * x.abs()) + 0.0003 * timestep.float() - 0.1


def replay_step_noise(strength: float, patch: pytest.MonkeyPatch) -> None:
    """Schedulers that draw noise in their steps receive the recorded noise, in order."""
    noises = iter(STEP_NOISE[strength])
    for module in (scheduling_euler_ancestral_discrete, scheduling_lcm):
        patch.setattr(module, "randn_tensor", lambda *_args, **_kwargs: next(noises))


def trajectory(scheduler: Any, timesteps: Tensor, x: Tensor, model: Callable[..., Tensor] = closed_form) -> Tensor:
    """The latents after each of `timesteps`, [N, ...], from `x`."""
    after = []
    for timestep in timesteps:
        estimate = model(scheduler.scale_model_input(x, timestep), timestep)
        x = scheduler.step(estimate, timestep, x, return_dict=False)[0]
        after.append(x)
    return torch.stack(after)


def start(scheduler: Any, steps: int, strength: float) -> tuple[Tensor, Tensor]:
    """The timesteps and the latents of the first of them."""
    timesteps = set_timesteps(scheduler, steps, strength)
    source = None if strength == 1 else REFERENCE["video_latents"]
    return timesteps, first_latents(scheduler, timesteps, REFERENCE["noise"], source)


def levels(name: str, steps: int) -> dict[str, Tensor]:
    """The timesteps and noise levels of a scheduler."""
    scheduler = make_scheduler(name)
    scheduler.set_timesteps(steps)
    values = {
        "timesteps": scheduler.timesteps.double(),
        "init_noise_sigma": torch.tensor(float(scheduler.init_noise_sigma)),
    }
    return values | ({"sigmas": scheduler.sigmas.double()} if hasattr(scheduler, "sigmas") else {})


def run(name: str, strength: float) -> dict[str, Tensor]:
    """Ten steps on the closed form."""
    scheduler = make_scheduler(name)
    timesteps, x = start(scheduler, 10, strength)
    with pytest.MonkeyPatch.context() as patch:
        replay_step_noise(strength, patch)
        return {
            "timesteps_used": timesteps.double(),
            "x_init": x,
            "trajectory": trajectory(scheduler, timesteps, x),
        }


def record() -> None:
    """Writes the values of the schedulers in OWN."""
    values = {
        f"{name}.{of}.{key}": value
        for name in OWN
        for of, recorded in [
            *((steps, levels(name, steps)) for steps in STEPS),
            *((f"10.{strength}", run(name, strength)) for strength in STRENGTHS),
        ]
        for key, value in recorded.items()
    }
    versions = {"diffusers": diffusers.__version__, "torch": torch.__version__}
    save_file({key: value.contiguous() for key, value in values.items()}, OWN_FILE, versions)


if __name__ == "__main__":
    record()
