"""Which clips this machine has the memory for, by the counted peaks of V3 (spec: transformer 15, Slice VAE 11).

An estimate: attention workspaces and the allocator's slack are a flat allowance, not a measurement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from easyanimate.geometry import FRAMES_PER_SLICE, SPATIAL_FACTOR, latent_frames
from easyanimate.models.checkup import Checkup

Fit = Literal["normal", "low", "lowest", "no"]

_ROWS = 2  # guidance doubles the batch
_TOKEN_TENSORS = 36  # alive at the transformer's peak, in tensors of all tokens
_TILE = 384  # pixels a side; the VAE works on larger frames in tiles
_CLIP_COPIES = 2 * 3  # the pixel clip, three channels, while it is put together
_ALLOWANCE_BYTES = 1 << 30


@dataclass(frozen=True)
class Memory:
    """Free bytes where the model would run: a GPU's, or the machine's.

    A value takes `value_bytes`: 2 on a GPU (bfloat16), 4 on a CPU (float32). Only a GPU `can_offload` to elsewhere.
    """

    device: str
    free_bytes: int
    value_bytes: int
    can_offload: bool


@dataclass(frozen=True)
class Needs:
    """How many values each part of a model has, and the numbers its peaks follow from."""

    text: int
    image: int
    vae: int
    transformer: int
    width: int
    vae_channels: int


def free_memory() -> Memory:
    """That of the GPU if there is one, else of the machine."""
    if torch.cuda.is_available():
        return Memory(torch.cuda.get_device_name(), torch.cuda.mem_get_info()[0], value_bytes=2, can_offload=True)
    return Memory("this machine, without a GPU", _available_bytes(), value_bytes=4, can_offload=False)


def _available_bytes() -> int:
    """What the kernel would give away without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    line = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


def needs_of(checkup: Checkup) -> Needs:
    """The needs of a model that loads."""
    parts = {network.name: network for network in checkup.networks}
    counts = {name: part.num_parameters or 0 for name, part in parts.items()}
    transformer: Mapping[str, Any] = parts["transformer"].config
    return Needs(
        text=counts["text_encoder"],
        image=counts["image_encoder"],
        vae=counts["vae"],
        transformer=counts["transformer"],
        width=transformer["num_attention_heads"] * transformer["attention_head_dim"],
        vae_channels=parts["vae"].config["ch"],
    )


def fit(needs: Needs, memory: Memory, height: int, width: int, num_frames: int) -> Fit:
    """How a clip of this size fits into `memory`.

    `normal`: all weights stay on the device. `low`: one network at a time. `lowest`: layer by layer, the two guidance
    halves in turn. `no`: not even so.
    """
    denoising = denoising_values(needs, height, width, num_frames)
    decoding = decoding_values(needs, height, width, num_frames)
    together = needs.text + needs.image + needs.vae + needs.transformer
    peaks: dict[Fit, int] = {"normal": together + max(denoising, decoding)}
    if memory.can_offload:
        peaks["low"] = max(needs.text, needs.transformer + denoising, needs.vae + decoding)
        peaks["lowest"] = max(denoising // _ROWS, decoding)
    room = (memory.free_bytes - _ALLOWANCE_BYTES) // memory.value_bytes
    return next((mode for mode, peak in peaks.items() if peak <= room), "no")


def denoising_values(needs: Needs, height: int, width: int, num_frames: int) -> int:
    """The transformer's activations at their peak, guidance in one batch."""
    patches = (height // (2 * SPATIAL_FACTOR)) * (width // (2 * SPATIAL_FACTOR))
    return _TOKEN_TENSORS * _ROWS * latent_frames(num_frames) * patches * needs.width


def decoding_values(needs: Needs, height: int, width: int, num_frames: int) -> int:
    """The VAE's activations at their peak, with slices and tiles on, and the clip it puts together."""
    in_slice = min(num_frames, FRAMES_PER_SLICE)
    window = min(height, _TILE) * min(width, _TILE)
    return (8 * in_slice + 4) * needs.vae_channels * window + _CLIP_COPIES * num_frames * height * width
