"""Estimates the memory of a clip in each profile, for the published model in 16 bits: integers only, no torch.

Activations are counted live tensors (transformer: on the meta device at production size; VAE: spec, Slice VAE 11). The
overhead of a GPU's kernels and allocator has not been measured; `_SLACK` and `_WORKSPACE` are a reserve for it.
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
_TWO_BLOCKS = (
    2 * 263_192_576
)  # under group offload: T5's word embeddings, which exceed two blocks and the resident weights
LIVE_TENSORS, LIVE_TENSORS_LOWEST = 25, 7  # live token tensors at the peak; 13 are long skips, in "lowest" on the host
KEPT_TENSORS = 1  # that a fast clip keeps for the next call; in "low" and "lowest" on the host
FEED_FORWARD_CHUNK_SIZE = 4096  # tokens of a feed-forward in "lowest", with 17 copies of their width
_TILE = 384  # pixels, the side of a tile of the VAE
_ENCODING, _DECODING = 512, 640  # live values per pixel of a frame of a tile
_SLACK = 1.15
_WORKSPACE = 400_000_000  # holds the keys and values of the context too, 33 MB for two rows


def choose_profile(free_bytes: int, width: int, height: int, num_frames: int) -> Profile:
    """The fastest profile in which a window of this size fits into `free_bytes`, with the published model.

    Raises InvalidInput, with the required size, if not even "lowest" fits.
    """
    for profile in PROFILES:
        if memory_needed(profile, width, height, num_frames) <= free_bytes:
            return profile
    raise InvalidInput(
        f"{width}x{height} with {num_frames} frames needs about {memory_needed('lowest', width, height, num_frames)} "
        f"bytes of free memory, and {free_bytes} are free; use fewer frames or a smaller size"
    )


def memory_needed(profile: Profile, width: int, height: int, num_frames: int) -> int:
    """Peak bytes of a guided clip, with weights."""
    denoising, pixels = _activations(profile, width, height, num_frames)
    if profile == "normal":
        peak = _TRANSFORMER + _TEXT_ENCODER + _IMAGE_ENCODER + _VAE + max(denoising, pixels)
    elif profile == "low":
        peak = max(_TEXT_ENCODER, _TRANSFORMER + denoising, _IMAGE_ENCODER + _VAE + pixels)
    else:
        peak = _VAE + _TWO_BLOCKS + max(denoising, pixels)
    return int(peak) + _WORKSPACE


def running_bytes(profile: Profile, width: int, height: int, num_frames: int) -> int:
    """Peak bytes of a guided clip without weights."""
    return int(max(_activations(profile, width, height, num_frames))) + _WORKSPACE


@dataclass(frozen=True)
class Activations:
    """Live bytes of activations in each phase of a clip, without weights and without slack."""

    encoding: float
    denoising: float
    decoding: float


def activations(profile: Profile, width: int, height: int, num_frames: int) -> Activations:
    """The activations of a guided clip in each phase."""
    rows = 2 if profile == "normal" else 1
    denoising = rows * 2 * _WIDTH * live_tokens(profile, _tokens(width, height, num_frames))
    encoding, decoding = _vae_bytes(width, height, num_frames)
    return Activations(encoding, denoising, decoding)


def _activations(profile: Profile, width: int, height: int, num_frames: int) -> tuple[float, float]:
    """Bytes with slack: while denoising, and while the VAE encodes or decodes."""
    live = activations(profile, width, height, num_frames)
    return _SLACK * live.denoising, _SLACK * max(live.encoding, live.decoding)


def live_tokens(profile: Profile, tokens: int) -> int:
    """The tokens of all tensors that are alive at the peak of a row of `tokens`, in bfloat16.

    In "lowest" a short clip has its peak in a feed-forward, and a long one in attention.
    """
    if profile != "lowest":
        return (LIVE_TENSORS + (KEPT_TENSORS if profile == "normal" else 0)) * tokens
    is_whole = tokens <= FEED_FORWARD_CHUNK_SIZE
    in_feed_forward = 12 * tokens if is_whole else 2 * tokens + 17 * FEED_FORWARD_CHUNK_SIZE
    return max(LIVE_TENSORS_LOWEST * tokens, in_feed_forward)


def _tokens(width: int, height: int, num_frames: int) -> int:
    """The tokens of one row (spec: transformer 15)."""
    side = 2 * SPATIAL_FACTOR
    return latent_frames(num_frames) * (height // side) * (width // side)


def _vae_bytes(width: int, height: int, num_frames: int) -> tuple[int, int]:
    """Bytes while a clip is encoded slice by slice, in 32 and 16 bits, and while it is decoded piece by piece."""
    tile = min(height, _TILE) * min(width, _TILE)
    frames = min(num_frames, FRAMES_PER_SLICE)
    pieces = 3 * height * width * min(num_frames, 3 * FRAMES_PER_SLICE)  # three slices, blended in 32 bit
    return 2 * _ENCODING * frames * tile + 18 * height * width * frames, 2 * _DECODING * frames * tile + 8 * pieces
