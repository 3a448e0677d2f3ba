"""Which clips this machine has the memory for, with a model of the published size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from easyanimate.errors import InvalidInput
from easyanimate.memory import Profile, choose_profile, memory_needed
from easyanimate.models.checkup import Checkup

Fit = Profile | Literal["no"]

_PUBLISHED_PARAMETERS = 1_538_364_704  # of the transformer (spec: transformer 13)


@dataclass(frozen=True)
class Memory:
    """Free bytes where a model would run: a GPU's, or, where there is none, the machine's."""

    device: str
    free_bytes: int
    is_gpu: bool


def free_memory() -> Memory:
    """That of the GPU if there is one, else of the machine."""
    if torch.cuda.is_available():
        return Memory(torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0], is_gpu=True)
    return Memory("this machine, which has no GPU", _available_bytes(), is_gpu=False)


def is_published_size(checkup: Checkup) -> bool:
    """Whether the memory a clip takes is known for this model: it is, where it has the published transformer."""
    counts = {network.name: network.num_parameters for network in checkup.networks}
    return counts["transformer"] == _PUBLISHED_PARAMETERS


def fit(memory: Memory, width: int, height: int, num_frames: int) -> Fit:
    """The memory profile in which a clip of this size fits into `memory`; "no" if in none.

    On a CPU a value takes 32 bit instead of 16, and there is nowhere to move weights to: "normal" or "no".
    """
    if not memory.is_gpu:
        return "normal" if 2 * memory_needed("normal", width, height, num_frames) <= memory.free_bytes else "no"
    try:
        return choose_profile(memory.free_bytes, width, height, num_frames)
    except InvalidInput:
        return "no"


def _available_bytes() -> int:
    """What the kernel would give away without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    line = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024
