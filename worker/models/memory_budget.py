"""The memory that models need on a device, and which of them to evict for another one. It imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryBudget:
    """The memory of one loaded model: its weights, and `running_bytes` more during a run.

    A model that moves its weights to save memory does not share the device.
    """

    weights_bytes: int = 0
    running_bytes: int = 0
    shares: bool = True


def models_to_evict(loaded: Mapping[str, MemoryBudget], new: MemoryBudget, room_bytes: int) -> list[str]:
    """The names of the models to evict before `new` is loaded, in the order of `loaded`, and no more than needed.

    If `new` is larger than the memory, these are all of them.
    """
    staying = dict(loaded)
    evicted: list[str] = []
    while staying and not _fit([*staying.values(), new], room_bytes):
        first = next(iter(staying))
        del staying[first]
        evicted.append(first)
    return evicted


def _fit(models: list[MemoryBudget], room_bytes: int) -> bool:
    """Whether all of them fit in the memory while any one of them runs."""
    if not all(model.shares for model in models):
        return len(models) == 1
    weights = sum(model.weights_bytes for model in models)
    return weights + max(model.running_bytes for model in models) <= room_bytes
