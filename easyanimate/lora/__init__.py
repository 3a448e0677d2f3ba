"""LoRA files and partial weights: read, put on a model for one request, taken off without a trace, and written."""

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
