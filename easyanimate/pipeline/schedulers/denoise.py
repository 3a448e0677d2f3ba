"""The denoising loop: noise to latents, step by step (spec: pipelines 6)."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from easyanimate.errors import NotFinite, StateMismatch
from easyanimate.pipeline.inputs.prompts import TextContext
from easyanimate.pipeline.schedulers.denoising_state import (
    Continuation,
    DenoisingState,
    restore_changes,
    scheduler_changes,
    tensors_sha256,
)
from easyanimate.pipeline.schedulers.guidance_halves import GuidanceHalves
from easyanimate.sampling import GUIDED_SHARE, REUSE_FROM, REUSE_UNTIL, StepPlan
from easyanimate.transformer.inference.run_cache import RunCache

OnStep = Callable[[int, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Conditions:
    """The inputs of the transformer besides the latents. R rows: positive alone, or negative and positive.

    `image` [R, E] and `image_mask` [R, K] are zero in the negative row; `inpaint_latents` [1, 8, f, h, w].
    `init_latents` [1, 4, f, h, w], scaled, are those of a source video.
    """

    text: TextContext
    image: Tensor
    image_mask: Tensor
    inpaint_latents: Tensor
    guidance_scale: float
    clip_apply_ratio: float
    init_latents: Tensor | None = None
    quality: str = "exact"

    @cached_property
    def sha256(self) -> str:
        """A hash of all tensors and settings, exact to the last bit."""
        tensors = (self.text.embeds, self.text.mask, self.image, self.image_mask, self.inpaint_latents)
        numbers = [self.guidance_scale, self.clip_apply_ratio]
        if self.quality != "exact":  # states of exact clips stay those of earlier releases
            numbers += [GUIDED_SHARE, REUSE_FROM, REUSE_UNTIL]
        return tensors_sha256((*tensors, self.init_latents, torch.tensor(numbers)))

    def plan(self, calls: int) -> StepPlan:
        """The plan of all calls of the transformer."""
        return StepPlan(self.quality, calls, self.clip_apply_ratio)

    def at(self, call: int, calls: int) -> dict[str, Tensor]:
        """The transformer's arguments in call number `call` of `calls`; CLIP is used in the last ones only.

        A call that is not guided has the row of the prompt alone.
        """
        plan, rows = self.plan(calls), self.text.embeds.shape[0]
        active = float(plan.uses_image(call))
        arguments = {
            "encoder_hidden_states": self.text.embeds,
            "encoder_attention_mask": self.text.mask,
            "inpaint_latents": self.inpaint_latents.expand(rows, -1, -1, -1, -1),
            "clip_encoder_hidden_states": self.image * active,
            "clip_attention_mask": self.image_mask * active,
        }
        return arguments if plan.is_guided(call) else {name: value[-1:] for name, value in arguments.items()}


class StepCaches:
    """The caches of the transformer for all rows together, or for each row; new ones when the context changes."""

    def __init__(self) -> None:
        self._context: tuple[bool, bool] | None = None
        self._of_row: dict[int | None, RunCache] = {}
        self._keeps = self._reuses = False

    def enter(self, plan: StepPlan, call: int) -> None:
        """Begins a call; one with another context than before starts with empty caches."""
        if plan.context(call) != self._context:
            self._context, self._of_row = plan.context(call), {}
        self._keeps, self._reuses = plan.keeps_blocks(call), plan.reuses_blocks(call)

    def of(self, row: int | None) -> RunCache:
        """The cache of one row, or with None of all rows together."""
        cache = self._of_row.setdefault(row, RunCache())
        cache.residual.keeps, cache.residual.reuses = self._keeps, self._reuses
        return cache


def denoise(
    transformer: Any,
    scheduler: Any,
    timesteps: Tensor,
    noise: Tensor,
    conditions: Conditions,
    *,
    generator: torch.Generator,
    on_step: OnStep,
    sequential_rows: bool = False,
    halves: GuidanceHalves | None = None,
    continuation: Continuation | None = None,
) -> Tensor:
    """Latents [1, 4, f, h, w] from `noise`, by the `timesteps` that are set in `scheduler`. Computes in float32.

    `on_step(index, timestep, latents, original)` is called after each step; `original` is the estimate of the clean
    latents. It returns the latents for the next step; to stop, it raises. `sequential_rows` halves the memory of
    guidance (spec: transformer 15). With `halves` another process computes the other row. A draft of `continuation`
    ends early, with the estimate of the clean latents. A state is not offered between a call and one that reuses its
    blocks. Raises NotFinite if the result holds NaN or infinity, StateMismatch for a state of other conditions.
    """
    step_kwargs = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    continuation = continuation or Continuation()
    before, caches = dict(vars(scheduler)), StepCaches()
    last = (continuation.draft_steps or len(timesteps)) - 1
    first, latents = 0, first_latents(scheduler, timesteps, noise.float(), conditions.init_latents)
    if continuation.state is not None:
        first, latents = _resume(continuation.state, conditions, scheduler, generator, latents)
        if first > last and continuation.draft_steps:
            raise StateMismatch("the state is that of the end of the draft, which has no estimate of the clean latents")
    original, plan = latents, conditions.plan(len(timesteps))
    predict = partial(predict_noise, transformer, sequential_rows=sequential_rows, halves=halves, caches=caches)
    for i, timestep in enumerate(timesteps[first : last + 1], first):
        inputs = conditions.at(i, len(timesteps))
        model_input = scheduler.scale_model_input(latents, timestep)
        caches.enter(plan, i)
        estimate = guide(predict(model_input, timestep, inputs), conditions.guidance_scale)
        original = predict_original(scheduler, model_input, timestep, estimate)
        latents = scheduler.step(estimate, timestep, latents, **step_kwargs, return_dict=False)[0]
        latents = on_step(i, timestep, latents, original)
        if continuation.on_state is not None and not plan.keeps_blocks(i):
            continuation.on_state(partial(_state, i + 1, latents, scheduler, before, generator, conditions), i == last)
    if continuation.draft_steps:
        latents = original
    if not torch.isfinite(latents).all():
        raise NotFinite("the denoised latents hold NaN or infinity; use float32 or bfloat16, and check the weights")
    return latents


def _state(
    index: int,
    latents: Tensor,
    scheduler: Any,
    before: dict[str, Any],
    generator: torch.Generator,
    conditions: Conditions,
) -> DenoisingState:
    changes = scheduler_changes(scheduler, before)
    return DenoisingState(index, latents, changes, generator.get_state(), conditions.sha256)


def _resume(
    state: DenoisingState, conditions: Conditions, scheduler: Any, generator: torch.Generator, start: Tensor
) -> tuple[int, Tensor]:
    """The next step and its first latents, like `start`; restores the scheduler and the generator."""
    if state.conditions != conditions.sha256 or state.latents.shape != start.shape:
        raise StateMismatch("the state to resume from belongs to other conditions, or to another encoding of them")
    restore_changes(scheduler, state.scheduler)
    generator.set_state(state.generator_state)
    return state.index, state.latents.to(start)


def first_latents(scheduler: Any, timesteps: Tensor, noise: Tensor, init_latents: Tensor | None) -> Tensor:
    """The latents of the first step: noise alone, or the source video with noise (spec: pipelines 4.5)."""
    if init_latents is None:
        return noise * scheduler.init_noise_sigma
    return scheduler.add_noise(init_latents.float(), noise, timesteps[:1])


def predict_noise(
    transformer: Any,
    latents: Tensor,
    timestep: Tensor,
    inputs: dict[str, Tensor],
    *,
    sequential_rows: bool = False,
    halves: GuidanceHalves | None = None,
    caches: StepCaches | None = None,
) -> Tensor:
    """[R, 4, f, h, w] in float32: the noise in `latents` [1, 4, f, h, w], without the learned variance.

    With `sequential_rows` each of the R rows has its own call of the transformer; the result is equal up to rounding.
    With `halves` this process computes its own row, and receives the other.
    `caches` keep what steps with the same inputs have in common.
    """
    rows = inputs["encoder_hidden_states"].shape[0]
    caches = caches or StepCaches()

    def sample_of(row: int) -> Tensor:
        own = {name: value[row : row + 1] for name, value in inputs.items()}
        return _sample(transformer, latents, timestep, own, caches.of(row))

    if halves is not None and rows > 1:
        return halves.gather(sample_of(halves.row))
    if sequential_rows and rows > 1:
        return torch.cat([sample_of(row) for row in range(rows)])
    return _sample(transformer, latents, timestep, inputs, caches.of(None))


def _sample(transformer: Any, latents: Tensor, timestep: Tensor, inputs: dict[str, Tensor], cache: RunCache) -> Tensor:
    """[R, 4, f, h, w] of one call of the transformer with R rows."""
    rows = inputs["encoder_hidden_states"].shape[0]
    dtype = transformer.dtype  # diffusers reads it from all parameters
    floats = {name: value.to(dtype) for name, value in inputs.items()}
    rows_of_latents = latents.to(dtype).expand(rows, -1, -1, -1, -1)
    sample = transformer(rows_of_latents, timestep=timestep.expand(rows), **floats, cache=cache).sample
    return sample[:, : latents.shape[1]].float()


def predict_original(scheduler: Any, latents: Tensor, timestep: Tensor, estimate: Tensor) -> Tensor:
    """The clean latents [1, 4, f, h, w] in `latents`, the transformer's input, if `estimate` is the noise."""
    alpha = scheduler.alphas_cumprod[int(timestep.round())].to(latents)
    return (latents - (1 - alpha).sqrt() * estimate) / alpha.sqrt()


def guide(estimate: Tensor, scale: float) -> Tensor:
    """[R, ...] -> [1, ...]: moves away from the negative row by `scale`, if there is one."""
    if estimate.shape[0] == 1:
        return estimate
    negative, positive = estimate.chunk(2)
    return negative + scale * (positive - negative)
