"""Where denoising stands between two steps: all that the steps that are left depend on, to be kept and gone on from."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CONFIG = "_internal_dict"  # where diffusers' schedulers keep their settings, which the request says


@dataclass(frozen=True, eq=False)
class DenoisingState:
    """`index` is the next step, `latents` [1, 4, f, h, w] what it begins with, float32.

    `scheduler` has what the steps changed of the sampler: counters, and for multistep ones the past. `generator_state`
    is that of the CPU generator. `conditions` tells what the transformer is told: the state is of no use for anything
    else.
    """

    index: int
    latents: Tensor
    scheduler: Mapping[str, Any]
    generator_state: Tensor
    conditions: str


CaptureState = Callable[[], DenoisingState]


@dataclass(frozen=True, eq=False)
class Continuation:
    """`state` is where to go on from. `on_state(take, is_last)` is called after each step; `take()` gives the state."""

    state: DenoisingState | None = None
    on_state: Callable[[CaptureState, bool], None] | None = None


def scheduler_changes(scheduler: Any, before: Mapping[str, Any]) -> dict[str, Any]:
    """What is no longer as it was `before` the first step, which is `dict(vars(scheduler))` of that time.

    Lists always count: the samplers write into them.
    """
    now = {name: value for name, value in vars(scheduler).items() if name != CONFIG}
    changed = {name for name, value in now.items() if isinstance(value, list) or value is not before.get(name)}
    return {name: _copy(now[name]) for name in changed}


def restore_changes(scheduler: Any, changes: Mapping[str, Any]) -> None:
    """Make a sampler, ready for the first step, what `scheduler_changes` has seen."""
    for name, value in changes.items():
        setattr(scheduler, name, _copy(value))


def _copy(value: Any) -> Any:
    """PNDM adds to its tensors in place."""
    if isinstance(value, list):
        return [_copy(each) for each in value]
    return value.clone() if isinstance(value, Tensor) else value


def tensors_sha256(tensors: Iterable[Tensor | None]) -> str:
    """Of the bytes of all `tensors`, their shapes and types, in order."""
    total = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            total.update(b"none")
            continue
        total.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
