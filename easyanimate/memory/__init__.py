"""Memory profiles of the pipeline: estimates for a clip, and the functions that apply a profile."""

from easyanimate.memory.estimates import (
    PROFILES,
    Activations,
    Profile,
    activations,
    choose_profile,
    memory_needed,
)
from easyanimate.memory.int8_linear import Int8Linear, quantize_to_int8
from easyanimate.memory.profiles import apply_memory_profile, load_in_profile

__all__ = [
    "PROFILES",
    "Activations",
    "Int8Linear",
    "Profile",
    "activations",
    "apply_memory_profile",
    "choose_profile",
    "load_in_profile",
    "memory_needed",
    "quantize_to_int8",
]
