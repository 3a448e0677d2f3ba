"""Running the pipeline on less memory: which profile a clip needs, and how a pipeline is put into it."""

from easyanimate.memory.estimates import (
    PROFILES,
    Activations,
    Profile,
    activations,
    choose_profile,
    memory_needed,
)
from easyanimate.memory.int8_linear import Int8Linear, quantize_to_int8
from easyanimate.memory.profiles import apply_memory_profile

__all__ = [
    "PROFILES",
    "Activations",
    "Int8Linear",
    "Profile",
    "activations",
    "apply_memory_profile",
    "choose_profile",
    "memory_needed",
    "quantize_to_int8",
]
