"""Fixed encodings: the 2D table of patches, the table of latent frames, the sinusoid of timesteps.

All are computed at each use; none is stored, learned or saved.
"""

import math

import torch
from torch import Tensor

TIMESTEP_WIDTH = 256  # values in the sinusoid of a timestep (spec: transformer 6.1)
NATIVE_SIZE = 64  # latent side above which 2D positions are scaled (spec: transformer 5)


def patch_positions(
    rows: int, columns: int, width: int, *, sample_size: int, patch_size: int, device: torch.device | None = None
) -> Tensor:
    """Float32 [rows * columns, width]: the encoding of the column, then of the row, each over half of `width`.

    Each grid is scaled to the native grid of the model (spec: transformer 5).
    """
    base = sample_size // patch_size
    scale = max(sample_size // NATIVE_SIZE, 1)
    across = _sine_cosine(_stretched(columns, base, scale, device), width // 2).expand(rows, -1, -1)
    down = _sine_cosine(_stretched(rows, base, scale, device), width // 2)[:, None].expand(-1, columns, -1)
    return torch.cat([across, down], dim=-1).flatten(0, 1).float()


def _stretched(count: int, base: int, scale: int, device: torch.device | None) -> Tensor:
    """Float32 [count]: equal steps from 0 up to base / scale, exclusive."""
    return torch.arange(count, dtype=torch.float32, device=device) / (count / base) / scale


def _sine_cosine(coordinate: Tensor, width: int) -> Tensor:
    """Float64 [len(coordinate), width]: all sines, then all cosines."""
    exponent = torch.arange(width // 2, dtype=torch.float64, device=coordinate.device) / (width / 2)
    angle = coordinate.double()[:, None] * 10000.0**-exponent
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def frame_positions(num_frames: int, width: int, device: torch.device | None = None) -> Tensor:
    """Float32 [num_frames, width]: sines at even, cosines at odd indices, per latent frame (spec: transformer 9.2)."""
    even = torch.arange(0, width, 2, dtype=torch.float32, device=device)
    frequency = torch.exp(even * (-math.log(10000.0) / width))
    angle = torch.arange(num_frames, dtype=torch.float32, device=device)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def sinusoid(value: Tensor) -> Tensor:
    """Float32 [..., 256] of numbers [...] at full precision: cosines, then sines."""
    half = TIMESTEP_WIDTH // 2
    exponent = torch.arange(half, dtype=torch.float32, device=value.device) / half
    angle = value.float()[..., None] * torch.exp(-math.log(10000.0) * exponent)
    return torch.cat([angle.cos(), angle.sin()], dim=-1)
