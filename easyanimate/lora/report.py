"""The result of applying one LoRA file."""

from dataclasses import dataclass

DEFAULT_SCALE = 0.55  # the scale of V3's own programs (spec: transformer 20)


@dataclass(frozen=True)
class LoraReport:
    """The result for one file: the number of changed layers, and the unused entries with the reason."""

    name: str
    scale: float
    applied: int
    unused: tuple[str, ...]
