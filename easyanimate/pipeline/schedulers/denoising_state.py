"""The state of denoising between two steps: all values that the remaining steps depend on."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CONFIG = "_internal_dict"  # the settings of a diffusers scheduler, which follow from the request


@dataclass(frozen=True, eq=False)
class DenoisingState:
    """`index` is the next step, `latents` [1, 4, f, h, w] are its input, float32.

    `scheduler` holds the attributes that the steps changed: counters, and past results of multistep schedulers.
    `generator_state` is that of the CPU generator. `conditions` is the hash of the transformer's inputs; the state is
    valid for these only.
    """

    index: int
    latents: Tensor
    scheduler: Mapping[str, Any]
    generator_state: Tensor
    conditions: str


CaptureState = Callable[[], DenoisingState]


@dataclass(frozen=True, eq=False)
class Continuation:
    """`state` is where to resume, if set.

    `on_state(capture, is_last)` is called after each step; `capture()` returns the state. With `draft_steps` denoising
    ends after so many steps, with the estimate of the clean latents.
    """

    state: DenoisingState | None = None
    on_state: Callable[[CaptureState, bool], None] | None = None
    draft_steps: int | None = None


def scheduler_changes(scheduler: Any, before: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that differ from `before`, which is `dict(vars(scheduler))` before the first step.

    Lists are always included, because the schedulers change them in place.
    """
    now = {name: value for name, value in vars(scheduler).items() if name != CONFIG}
    changed = {name for name, value in now.items() if isinstance(value, list) or value is not before.get(name)}
    return {name: _copy(now[name]) for name in changed}


def restore_changes(scheduler: Any, changes: Mapping[str, Any]) -> None:
    """Sets the attributes from `scheduler_changes` on a scheduler that is ready for the first step."""
    for name, value in changes.items():
        setattr(scheduler, name, _copy(value))


def _copy(value: Any) -> Any:
    """Copies tensors and lists, because PNDM changes its tensors in place."""
    if isinstance(value, list):
        return [_copy(each) for each in value]
    return value.clone() if isinstance(value, Tensor) else value


def tensors_sha256(tensors: Iterable[Tensor | None]) -> str:
    """The SHA-256 of the bytes, shapes and dtypes of all `tensors`, in order."""
    total = hashlib.sha256()
    for tensor in tensors:
        if tensor is None:
            total.update(b"none")
            continue
        total.update(f"{tensor.dtype}{list(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
