"""LoRA files and partial weights: reading, applying to a model for one request, removing, and writing."""

from easyanimate.lora.application import DEFAULT_SCALE, LoraReport, applied
from easyanimate.lora.file import LoraFile, LowRank, read_lora
from easyanimate.lora.names import flat_name
from easyanimate.lora.overrides import WeightOverride, overridden, read_override
from easyanimate.lora.writer import write_lora

__all__ = [
    "DEFAULT_SCALE",
    "LoraFile",
    "LoraReport",
    "LowRank",
    "WeightOverride",
    "applied",
    "flat_name",
    "overridden",
    "read_lora",
    "read_override",
    "write_lora",
]
