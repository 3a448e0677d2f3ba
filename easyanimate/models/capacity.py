"""Estimates which clips fit into the memory of this machine, with a model of the published size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from easyanimate.errors import InvalidInput
from easyanimate.memory import PROFILES, Profile, choose_profile, memory_needed
from easyanimate.memory.estimates import running_bytes
from easyanimate.models.inspection import ModelReport

FittingProfile = Profile | Literal["bf16", "bf16-low", "bf16-lowest", "no"]

_PUBLISHED_PARAMETERS = 1_538_364_704  # of the transformer (spec: transformer 13)
_IN_8_BITS = 7_600_000_000  # bytes of all weights, the linear layers of T5 and of the transformer in int8
_PROCESS = 400_000_000  # bytes of Python and its libraries
# Additional bytes per pixel of a tile for the VAE's 16-bit convolutions on a CPU, an upper bound. From a measured peak
# of 18.1 GB for 256x256 with 8 frames, of which weights are 13.7 GB, with the convolutions of torch.
_UNFOLDED = 61_000
_TILE = 384  # pixels, the side of a tile of the VAE


@dataclass(frozen=True)
class Memory:
    """Free bytes of the device for a model: the GPU, or without one the machine."""

    device: str
    free_bytes: int
    is_gpu: bool


def free_memory() -> Memory:
    """The free memory of the GPU if there is one, otherwise of the machine."""
    if torch.cuda.is_available():
        return Memory(torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0], is_gpu=True)
    return Memory("this machine, which has no GPU", _available_bytes(), is_gpu=False)


def is_published_size(report: ModelReport) -> bool:
    """Whether the model has the published transformer, for which the memory of a clip is estimated."""
    counts = {network.name: network.num_parameters for network in report.networks}
    return counts["transformer"] == _PUBLISHED_PARAMETERS


def fitting_profile(memory: Memory, width: int, height: int, num_frames: int) -> FittingProfile:
    """The memory profile in which a clip of this size fits into `memory`; "no" if it fits in none.

    A CPU computes in float32 by default; "bf16" means that the clip fits only in bfloat16.
    """
    if memory.is_gpu:
        try:
            return choose_profile(memory.free_bytes, width, height, num_frames)
        except InvalidInput:
            return "no"
    needs = _needs_on_cpu(width, height, num_frames)
    return next((name for name, needed_bytes in needs if needed_bytes <= memory.free_bytes), "no")


def _needs_on_cpu(width: int, height: int, num_frames: int) -> Iterator[tuple[FittingProfile, int]]:
    """Peak bytes of each way to compute on a CPU, the one nearest to the published results first.

    All weights are in the same memory, so "low" saves only by guidance row by row. "lowest" first loads them whole.
    """
    size = width, height, num_frames
    normal, low, lowest = (running_bytes(profile, *size) for profile in PROFILES)
    weights = memory_needed("normal", *size) - normal
    unfolded = _UNFOLDED * min(width, _TILE) * min(height, _TILE)
    yield "normal", 2 * (weights + normal) + _PROCESS
    yield "low", 2 * (weights + low) + _PROCESS
    yield "bf16", weights + max(normal, unfolded) + _PROCESS
    yield "bf16-low", weights + max(low, unfolded) + _PROCESS
    yield "bf16-lowest", max(weights, _IN_8_BITS + max(lowest, unfolded)) + _PROCESS


def _available_bytes() -> int:
    """Bytes that the kernel can provide without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    line = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024
