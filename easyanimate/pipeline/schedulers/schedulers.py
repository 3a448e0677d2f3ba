"""V3's schedulers and three more, built for each request from fixed settings; the scheduler folder is ignored.

The classes are those of diffusers. All settings are explicit, because defaults change between releases (spec: pipelines
5).

| name | | calls of the model for N steps |
|---|---|---|
| euler, euler_ancestral, dpmpp_2m, ddim | V3's | N |
| pndm | V3's, with a warm-up | N + 9, at least 4 steps |
| ddim_clipped | DDIM as upstream sets it: latents clipped to [-1, 1] in each step, for comparison | N |
| unipc | second order from past steps, good with 10 to 20 | N |
| heun | second order by a second evaluation of each step | 2 N - 1 |
| lcm | for a LoRA distilled to consistency (LCM): 4 to 8 steps, guidance 1 to 2 | N, at most 50 |
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.arguments import as_integer, as_number, describe
from easyanimate.sampling import SCHEDULERS

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
    "ddim_clipped": lambda: make_ddim(clip_sample=True),
    "unipc": lambda: UniPCMultistepScheduler(
        **_NOISE,
        timestep_spacing="linspace",
        solver_order=2,
        solver_type="bh2",
        lower_order_final=True,
        final_sigmas_type="zero",
    ),
    "heun": lambda: HeunDiscreteScheduler(**_NOISE, timestep_spacing="linspace"),
    "lcm": lambda: LCMScheduler(
        **_NOISE, timestep_spacing="leading", original_inference_steps=50, set_alpha_to_one=True, clip_sample=False
    ),
}

MIN_STEPS = {"pndm": 4}  # its warm-up needs four; the others need one
# Half the training steps: with more, schedulers with integer timesteps leave the range. LCM has 50 steps.
MAX_STEPS = {name: 50 if name == "lcm" else 500 for name in SCHEDULERS}


def make_scheduler(name: str) -> Any:
    """Creates a new scheduler; `name` is one of SCHEDULERS, otherwise InvalidInput."""
    if not isinstance(name, str) or name not in _BUILDERS:
        got = repr(name[:40]) if isinstance(name, str) else describe(name)
        raise InvalidInput(f"scheduler must be one of {', '.join(SCHEDULERS)}, got {got}")
    return _BUILDERS[name]()


def make_ddim(*, clip_sample: bool) -> DDIMScheduler:
    """DDIM. Upstream clips the estimated latents to [-1, 1] in each step, although latents exceed this range."""
    return DDIMScheduler(
        **_NOISE, timestep_spacing="leading", set_alpha_to_one=True, clip_sample=clip_sample, clip_sample_range=1.0
    )


def check_scheduler_unchanged(original: Any, current: Any, name: str) -> None:
    """InvalidInput if `current`, which replaced `original` on the pipeline, differs from the scheduler `name`.

    It would have no effect, because each call creates its own scheduler.
    """
    used = make_scheduler(name)
    if current is original or (type(current) is type(used) and _settings(current) == _settings(used)):
        return
    same = next((other for other in SCHEDULERS if type(make_scheduler(other)) is type(current)), name)
    raise InvalidInput(
        f"pipe.scheduler was replaced by {describe(current)}, which has no effect: each call creates its own. "
        f'Leave pipe.scheduler unchanged and pass the name to the call, such as scheduler="{same}"'
    )


def _settings(scheduler: Any) -> dict[str, Any]:
    return {name: value for name, value in scheduler.config.items() if not name.startswith("_")}


def check_steps(name: str, num_inference_steps: int, strength: float = 1.0) -> None:
    """InvalidInput unless scheduler `name` can run this many steps, and enough of them remain at `strength`."""
    minimum, maximum = MIN_STEPS.get(name, 1), MAX_STEPS[name]
    if not minimum <= num_inference_steps <= maximum:
        limits = f"between {minimum} and {maximum}"
        raise InvalidInput(f"num_inference_steps must be {limits} for {name}, got {num_inference_steps}")
    if not (math.isfinite(strength) and 0 < strength <= 1):
        raise InvalidInput(f"strength must be above 0 and at most 1, got {strength}")
    remaining = kept_steps(num_inference_steps, strength)
    if remaining < minimum:
        lowest = next(s for s in (i / 100 for i in range(1, 101)) if kept_steps(num_inference_steps, s) >= minimum)
        raise InvalidInput(
            f"strength {strength} leaves {remaining} of {num_inference_steps} steps and {name} needs {minimum}; "
            f"use strength {lowest} or more, or more steps"
        )


def kept_steps(num_inference_steps: int, strength: float) -> int:
    """The number of steps, counted from the last, that run at `strength` (spec: pipelines 4.5)."""
    return min(int(num_inference_steps * strength), num_inference_steps)


def set_timesteps(scheduler: Any, num_inference_steps: int, strength: float = 1.0, device: Any = None) -> Tensor:
    """Prepares a new `scheduler` and returns the timesteps, one for each call of the model."""
    scheduler.set_timesteps(num_inference_steps, device=device)
    skipped = num_inference_steps - kept_steps(num_inference_steps, strength)
    if isinstance(scheduler, PNDMScheduler):
        return _set_pndm_timesteps(scheduler, num_inference_steps, skipped)
    skipped *= scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(skipped)
    return scheduler.timesteps[skipped:]


def _set_pndm_timesteps(scheduler: Any, num_inference_steps: int, skipped: int) -> Tensor:
    """PNDM with its warm-up at the first step that runs.

    Upstream cuts steps off the warm-up instead. It then starts with more noise than `strength` says, at uneven steps.
    """
    stride = scheduler.config.num_train_timesteps // num_inference_steps
    scheduler.prk_timesteps = scheduler.prk_timesteps - skipped * stride
    warm_up = torch.from_numpy(scheduler.prk_timesteps).to(scheduler.timesteps)
    scheduler.timesteps = torch.cat([warm_up, scheduler.timesteps[len(warm_up) + skipped :]])
    return scheduler.timesteps


def num_timesteps(name: str, num_inference_steps: int, strength: float = 1.0) -> int:
    """The number of calls of the model and of the step callback, for the steps that remain at `strength`."""
    scheduler = make_scheduler(name)
    num_inference_steps = as_integer(num_inference_steps, "num_inference_steps")
    strength = as_number(strength, "strength")
    check_steps(name, num_inference_steps, strength)
    return len(set_timesteps(scheduler, num_inference_steps, strength))
