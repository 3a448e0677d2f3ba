"""V3's five samplers, built fresh for every request from fixed settings, whatever the scheduler folder says (spec: 5).

The classes are diffusers'; the settings they would default to are spelled out, since defaults move between releases.
"""

from collections.abc import Callable
from typing import Any

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
)

from easyanimate.errors import InvalidInput

_NOISE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "epsilon",
    "steps_offset": 1,
}
_BUILDERS: dict[str, Callable[[], Any]] = {
    "euler": lambda: EulerDiscreteScheduler(
        **_NOISE, timestep_spacing="linspace", interpolation_type="linear", final_sigmas_type="zero"
    ),
    "euler_ancestral": lambda: EulerAncestralDiscreteScheduler(**_NOISE, timestep_spacing="linspace"),
    "dpmpp_2m": lambda: DPMSolverMultistepScheduler(
        **_NOISE,
        timestep_spacing="linspace",
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        lower_order_final=True,
        euler_at_final=False,
        final_sigmas_type="zero",
    ),
    "pndm": lambda: PNDMScheduler(**_NOISE, timestep_spacing="leading", skip_prk_steps=False, set_alpha_to_one=False),
    "ddim": lambda: make_ddim(clip_sample=False),
}

SCHEDULERS = tuple(_BUILDERS)
FEWEST_STEPS = {"pndm": 4}  # its warm-up needs four; the others can do with one
MOST_STEPS = 500  # half the training steps: beyond, the samplers that count in whole timesteps run off the end


def make_scheduler(name: str) -> Any:
    """A new sampler; `name` is one of SCHEDULERS, else InvalidInput."""
    if name not in _BUILDERS:
        raise InvalidInput(f"scheduler must be one of {', '.join(SCHEDULERS)}, got {name!r}")
    return _BUILDERS[name]()


def make_ddim(*, clip_sample: bool) -> DDIMScheduler:
    """DDIM. Upstream clips the estimated latents to [-1, 1] in every step, which cuts off what latents really span."""
    return DDIMScheduler(
        **_NOISE, timestep_spacing="leading", set_alpha_to_one=True, clip_sample=clip_sample, clip_sample_range=1.0
    )


def check_steps(name: str, num_inference_steps: int) -> None:
    """InvalidInput unless the sampler `name` can take this many steps."""
    fewest = FEWEST_STEPS.get(name, 1)
    if not fewest <= num_inference_steps <= MOST_STEPS:
        limits = f"between {fewest} and {MOST_STEPS}"
        raise InvalidInput(f"num_inference_steps must be {limits} for {name}, got {num_inference_steps}")


def num_timesteps(name: str, num_inference_steps: int) -> int:
    """How often the step callback is called: once a step, and nine times more with PNDM's warm-up."""
    scheduler = make_scheduler(name)
    check_steps(name, num_inference_steps)
    scheduler.set_timesteps(num_inference_steps)
    return len(scheduler.timesteps)
