"""What models take of a device's memory, and which have to go so that another one can come. Plain numbers, no torch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryBudget:
    """Of one loaded model: its weights all the time, and `running_bytes` more while it makes a video.

    One that does not `share` moves its weights about to save memory: it needs the device for itself.
    """

    weights_bytes: int = 0
    running_bytes: int = 0
    shares: bool = True


def models_to_evict(held: Mapping[str, MemoryBudget], newcomer: MemoryBudget, room_bytes: int) -> list[str]:
    """Which of the models that are held, in the order in which they go first, make way for the newcomer.

    No more than must; but all of them do not always help: then the newcomer is larger than the room.
    """
    staying = dict(held)
    dropped: list[str] = []
    while staying and not _fit([*staying.values(), newcomer], room_bytes):
        first = next(iter(staying))
        del staying[first]
        dropped.append(first)
    return dropped


def _fit(models: list[MemoryBudget], room_bytes: int) -> bool:
    """Whether all of them have room, whichever of them runs; they run one at a time."""
    if not all(model.shares for model in models):
        return len(models) == 1
    weights = sum(model.weights_bytes for model in models)
    return weights + max(model.running_bytes for model in models) <= room_bytes
