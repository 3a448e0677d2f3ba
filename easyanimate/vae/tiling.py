"""Processes a large image in overlapping windows and blends the seams; pure functions over a callable.

The result differs from that of the whole image, because norms and attention use one window only (spec: Slice VAE 8).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.geometry import SPATIAL_FACTOR


@dataclass(frozen=True)
class Tiles:
    """Windows along height and width: size and step in input units, blended and kept widths in output units."""

    window: int
    step: int
    blend: int
    kept: int

    def needed_for(self, x: Tensor) -> bool:
        """Whether [..., H, W] is larger than one window in any direction."""
        return max(x.shape[-2:]) > self.window

    def spans(self, size: int) -> list[slice]:
        """The windows along an axis; the last one may be inside the previous one, and is still used."""
        return [slice(start, start + self.window) for start in range(0, size, self.step)]


def plan_tiles(sample_size: int, overlap: float) -> tuple[Tiles, Tiles]:
    """Windows for encoding and decoding, of `sample_size` pixels; InvalidInput if they are not on whole latents."""
    latent_size = sample_size // SPATIAL_FACTOR
    encoding, decoding = _tiles(sample_size, latent_size, overlap), _tiles(latent_size, sample_size, overlap)
    lands = encoding.step == encoding.kept * SPATIAL_FACTOR and decoding.step * SPATIAL_FACTOR == decoding.kept
    if not (0 <= overlap < 1 and lands and decoding.step > 0):
        raise InvalidInput(
            f"tiles of tile_sample_min_size {sample_size} with tile_overlap_factor {overlap} do not start on whole "
            "latents; 384 with 0.25 do"
        )
    return encoding, decoding


def _tiles(window: int, output_window: int, overlap: float) -> Tiles:
    blend = int(output_window * overlap)
    return Tiles(window, int(window * (1 - overlap)), blend, output_window - blend)


def run_tiled(x: Tensor, run: Callable[[Tensor], Tensor], tiles: Tiles) -> Tensor:
    """Applies `run` to each window of [B, C, F, H, W] and blends the results; two rows of windows are in memory."""
    rows: list[Tensor] = []
    above: list[Tensor] = []
    for rows_span in tiles.spans(x.shape[-2]):
        row = [run(x[..., rows_span, columns_span]) for columns_span in tiles.spans(x.shape[-1])]
        for j, tile in enumerate(row):
            # In place, rows before columns: the tile above and the one to the left are already blended.
            if above:
                _blend(above[j], tile, tiles.blend, dim=-2)
            if j > 0:
                _blend(row[j - 1], tile, tiles.blend, dim=-1)
        rows.append(torch.cat([tile[..., : tiles.kept, : tiles.kept] for tile in row], dim=-1))
        above = row
    return torch.cat(rows, dim=-2)


def _blend(earlier: Tensor, own: Tensor, width: int, dim: int) -> None:
    """Fades the last lines of `earlier` into the first lines of `own`, along `dim`, in place in `own`."""
    width = min(earlier.shape[dim], own.shape[dim], width)
    weight = torch.arange(width, device=own.device, dtype=torch.float32) / width
    weight = weight.view(-1, 1) if dim == -2 else weight
    end, start = earlier.narrow(dim, earlier.shape[dim] - width, width), own.narrow(dim, 0, width)
    start.copy_(end * (1 - weight) + start * weight)


def blend_corner(image: Tensor, corner: Tensor) -> Tensor:
    """Fades `corner` into the lower right of `image` [..., H, W], in place; its own upper left edge has weight 0.

    The later decoding rule (spec: Slice VAE 8, last paragraph); V3 does not use it.
    """
    height, width = corner.shape[-2:]
    down = torch.linspace(0, 1, height, device=corner.device).view(-1, 1)
    right = torch.linspace(0, 1, width, device=corner.device)
    weight = torch.minimum(down, right)
    old = image[..., -height:, -width:]
    old.copy_(old * (1 - weight) + corner * weight)
    return image
