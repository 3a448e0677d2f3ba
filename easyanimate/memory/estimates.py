"""How much memory a clip takes in each profile, for the published model in 16 bit: integers only, no torch.

Activations are counted live tensors (transformer: on the abstract device at production size; VAE: spec, Slice VAE
11). What a GPU's kernels and allocator add on top has not been measured; `_SLACK` and `_WORKSPACE` stand for it.
"""

from dataclasses import dataclass
from typing import Literal

from easyanimate.errors import InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE, SPATIAL_FACTOR, latent_frames

Profile = Literal["normal", "low", "lowest"]
PROFILES: tuple[Profile, ...] = ("normal", "low", "lowest")  # from the fastest to the smallest

_WIDTH = 1152  # values of a token (spec: transformer 2)
_TRANSFORMER, _TEXT_ENCODER, _IMAGE_ENCODER, _VAE = (
    3_076_729_408,
    9_524_621_312,
    607_937_024,
    492_000_000,
)  # bytes of weights, 16 bit
_TWO_BLOCKS = 2 * 263_192_576  # under group offload: T5's table of words, more than two blocks and what stays
LIVE_TENSORS, LIVE_TENSORS_CHUNKED = 38, 28  # live token tensors at the peak, feed-forwards whole or in pieces
_TILE = 384  # pixels, the side of what the VAE takes at once
_ENCODING, _DECODING = 512, 640  # live values for each pixel of a frame of a tile
_SLACK = 1.15
_WORKSPACE = 400_000_000


def choose_profile(free_bytes: int, width: int, height: int, num_frames: int) -> Profile:
    """The fastest profile in which a window of this size fits into `free_bytes` of a device with the published model.

    Raises InvalidInput, saying how much would do, if not even "lowest" fits.
    """
    for profile in PROFILES:
        if memory_needed(profile, width, height, num_frames) <= free_bytes:
            return profile
    raise InvalidInput(
        f"{width}x{height} with {num_frames} frames needs about {memory_needed('lowest', width, height, num_frames)} "
        f"bytes of free memory, there are {free_bytes}; take fewer frames or a smaller size"
    )


def memory_needed(profile: Profile, width: int, height: int, num_frames: int) -> int:
    """Bytes at the peak of a guided clip, weights included."""
    denoising, pixels = _activations(profile, width, height, num_frames)
    if profile == "normal":
        peak = _TRANSFORMER + _TEXT_ENCODER + _IMAGE_ENCODER + _VAE + max(denoising, pixels)
    elif profile == "low":
        peak = max(_TEXT_ENCODER, _TRANSFORMER + denoising, _IMAGE_ENCODER + _VAE + pixels)
    else:
        peak = _VAE + _TWO_BLOCKS + max(denoising, pixels)
    return int(peak) + _WORKSPACE


def running_bytes(profile: Profile, width: int, height: int, num_frames: int) -> int:
    """Bytes that a guided clip takes at its peak beside the weights."""
    return int(max(_activations(profile, width, height, num_frames))) + _WORKSPACE


@dataclass(frozen=True)
class Activations:
    """Live bytes of activations in each phase of a clip, without weights and without slack."""

    encoding: float
    denoising: float
    decoding: float


def activations(profile: Profile, width: int, height: int, num_frames: int) -> Activations:
    """The phases of a guided clip."""
    rows = 2 if profile == "normal" else 1
    tensors = LIVE_TENSORS_CHUNKED if profile == "lowest" else LIVE_TENSORS
    denoising = rows * tensors * _token_bytes(width, height, num_frames)
    encoding, decoding = _vae_bytes(width, height, num_frames)
    return Activations(encoding, denoising, decoding)


def _activations(profile: Profile, width: int, height: int, num_frames: int) -> tuple[float, float]:
    """Bytes with slack while denoising, and while the VAE is at work."""
    live = activations(profile, width, height, num_frames)
    return _SLACK * live.denoising, _SLACK * max(live.encoding, live.decoding)


def _token_bytes(width: int, height: int, num_frames: int) -> int:
    """One tensor of the tokens of one row, 16 bit (spec: transformer 15)."""
    side = 2 * SPATIAL_FACTOR
    return 2 * _WIDTH * latent_frames(num_frames) * (height // side) * (width // side)


def _vae_bytes(width: int, height: int, num_frames: int) -> tuple[int, int]:
    """Encoding a clip, which is there in 32 and 16 bit, and decoding it piece by piece."""
    tile = min(height, _TILE) * min(width, _TILE)
    frames = min(num_frames, FRAMES_PER_SLICE)
    clip = 3 * height * width * num_frames
    pieces = 3 * height * width * min(num_frames, 3 * FRAMES_PER_SLICE)  # three slices, blended in 32 bit
    return 2 * _ENCODING * frames * tile + 6 * clip, 2 * _DECODING * frames * tile + 8 * pieces
