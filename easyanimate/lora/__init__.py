"""LoRA files and partial weights: reading, applying to a model for one request, removing, and writing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from easyanimate.lora.file import LoraFile, LowRank, read_lora
from easyanimate.lora.names import flat_name
from easyanimate.lora.report import DEFAULT_SCALE, LoraReport
from easyanimate.lora.writer import write_lora

if TYPE_CHECKING:
    from easyanimate.lora.application import applied
    from easyanimate.lora.overrides import WeightOverride, overridden, read_override

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

# PEFT and the hooks of diffusers take seconds to import; a request without LoRAs does not need them.
_MODULE_OF = {
    "applied": "easyanimate.lora.application",
    "WeightOverride": "easyanimate.lora.overrides",
    "overridden": "easyanimate.lora.overrides",
    "read_override": "easyanimate.lora.overrides",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'easyanimate.lora' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
