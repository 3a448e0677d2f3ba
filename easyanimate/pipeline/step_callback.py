"""The callbacks of a call, and the values that callbacks of diffusers read and write on the pipeline.

These values belong to one call. They are stored with the running step callback and not on the pipeline, which several
threads may share. Outside a callback they do not exist.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback
from torch import Tensor

from easyanimate.errors import Interrupted, InvalidInput
from easyanimate.pipeline.arguments import describe

StepCallback = Callable[[Any, int, Tensor, dict[str, Tensor]], dict[str, Tensor] | None]


@dataclass(eq=False)
class CallbackRun:
    """The values of one call of `pipe` that its callback reads on the pipeline; the callback may set `interrupt`."""

    pipe: Any
    num_timesteps: int
    guidance_scale: float
    interrupt: bool = False

    def __call__(self, callback: StepCallback, index: int, timestep: Tensor, tensors: dict[str, Tensor]) -> Tensor:
        """The latents for the next step: those of `tensors` unless `callback` returns others. Raises Interrupted."""
        token = _running.set(self)
        try:
            result = callback(self.pipe, index, timestep, dict(tensors))
        finally:
            _running.reset(token)
        if self.interrupt:
            raise Interrupted("the step callback set the pipeline's _interrupt")
        return _latents_of(result, tensors["latents"])


_running: ContextVar[CallbackRun | None] = ContextVar("running_callback", default=None)


def running_callback(pipe: Any) -> CallbackRun | None:
    """The run of the callback that is executing, if it belongs to a call of `pipe`."""
    run = _running.get()
    return run if run is not None and run.pipe is pipe else None


def prepare_callback(callback: Any, tensor_inputs: Any, accepted: Sequence[str]) -> StepCallback | None:
    """Wraps `callback` so that it receives only the tensors in `tensor_inputs`; None means all `accepted` ones.

    Raises InvalidInput for names that are not `accepted`. A callback object of diffusers can request such names too.
    """
    if callback is None:
        _check_names(tensor_inputs, accepted)
        return None
    if not callable(callback):
        raise InvalidInput(f"callback_on_step_end must be a function, got {describe(callback)}")
    if isinstance(callback, PipelineCallback | MultiPipelineCallbacks):
        tensor_inputs = callback.tensor_inputs
    names = _check_names(tensor_inputs, accepted)

    def call(pipe: Any, index: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor] | None:
        result: dict[str, Tensor] | None = callback(pipe, index, timestep, {name: tensors[name] for name in names})
        return result

    return call


def prepare_phase_callback(callback: Any) -> Callable[[str], None]:
    """`callback`, or for None a function without an effect. Raises InvalidInput for what cannot be called."""
    if callback is None:
        return lambda phase: None
    if not callable(callback):
        raise InvalidInput(f"callback_on_phase must be a function, got {describe(callback)}")
    checked: Callable[[str], None] = callback
    return checked


def _check_names(tensor_inputs: Any, accepted: Sequence[str]) -> Sequence[str]:
    if tensor_inputs is None:
        return accepted
    rule = f"callback_on_step_end_tensor_inputs must be a list of some of {', '.join(accepted)}"
    if not isinstance(tensor_inputs, list | tuple):
        raise InvalidInput(f"{rule}, got {describe(tensor_inputs)}")
    for name in tensor_inputs:
        if name not in accepted:
            raise InvalidInput(f"{rule}; the callback requests {name!r}")
    return tensor_inputs


def _latents_of(result: Any, latents: Tensor) -> Tensor:
    if result is None:
        return latents
    if not isinstance(result, dict):
        raise InvalidInput(f"callback_on_step_end must return a dict or None, got {describe(result)}")
    changed = result.get("latents", latents)
    if not isinstance(changed, Tensor) or changed.shape != latents.shape:
        raise InvalidInput(f"callback_on_step_end must return latents {list(latents.shape)}, got {describe(changed)}")
    return changed.to(latents)
