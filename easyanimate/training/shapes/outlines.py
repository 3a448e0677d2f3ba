"""Compares silhouettes with drawn shapes."""

import functools
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from easyanimate.training.shapes.drawing import draw
from easyanimate.training.shapes.scene import SHAPES, STYLES, Scene
from easyanimate.training.shapes.segmenting import SegmentedFrames
from easyanimate.training.shapes.tracking import SYMMETRY_ORDER

GRID = 32  # side in pixels of the normalised silhouettes that are compared
SPREAD = 2.6  # half of that side, in standard deviations of the silhouette
RADII = (7.0, 9.0, 11.0, 13.5, 17.0, 22.0)
BLURS = (0, 3, 5, 7)  # sizes of the box blur in 64ths of the frame; 0 is sharp
ANGLES = 6  # per period of the rotation of a shape
MAX_COMPARED_FRAMES = 8


def shape_similarities(segments: SegmentedFrames, frames: np.ndarray, *, turned: bool) -> dict[tuple[str, str], float]:
    """The mean similarity of the silhouettes in `frames` (indices) with each (shape, style); 1 is equal.

    `turned` also compares with rotated shapes. Without it, a blurred cross is not confused with a rotated square.
    """
    indices = np.unique(np.linspace(0, len(frames) - 1, min(MAX_COMPARED_FRAMES, len(frames))).round().astype(int))
    silhouettes = _normalised(torch.from_numpy(segments.cover[frames[indices]].astype(np.float32)))  # [K, G]
    kinds, patterns = _patterns(turned)
    best = {}
    for kind in sorted(set(kinds)):
        chosen = patterns[[i for i, each in enumerate(kinds) if each == kind]]
        best[kind] = float((silhouettes @ chosen.T).amax(dim=1).mean())
    return best


@functools.cache
def _patterns(turned: bool) -> tuple[list[tuple[str, str]], Tensor]:
    """The (shape, style) of each pattern, and the patterns [T, G]: all shapes in several sizes, sharp and blurred."""
    scenes = [
        Scene(shape, "white", "black", "still", radius=radius, angle=angle, style=style)
        for shape in SHAPES
        for style in STYLES
        for radius in RADII
        for angle in (_angles(shape) if turned else [0.0])
    ]
    sharp = (draw(scenes, frames=1).mean(dim=1)[:, 0] + 1) / 2  # [T, 64, 64]
    blurred = [sharp if not blur else _blurred(sharp, blur) for blur in BLURS]
    kinds = [(scene.shape, scene.style) for scene in scenes]
    return kinds * len(BLURS), _normalised(torch.cat(blurred))


def _angles(shape: str) -> list[float]:
    turns = SYMMETRY_ORDER.get(shape)
    return [2 * math.pi / turns * i / ANGLES for i in range(ANGLES)] if turns else [0.0]


def _blurred(images: Tensor, side: int) -> Tensor:
    return torch.nn.functional.avg_pool2d(images[:, None], side, 1, side // 2)[:, 0]


def _normalised(cover: Tensor) -> Tensor:
    """Silhouettes [K, H, W] with the same centre and size as unit vectors [K, G]; their product is the similarity."""
    count, height, width = cover.shape
    weight = torch.where(cover > 0.3, cover, 0.0)
    total = weight.sum(dim=(1, 2)).clamp_min(1e-6)
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    y = (weight.sum(dim=2) * rows).sum(dim=1) / total  # [K]
    x = (weight.sum(dim=1) * columns).sum(dim=1) / total
    square = (rows[None, :, None] - y[:, None, None]) ** 2 + (columns[None, None, :] - x[:, None, None]) ** 2
    reach = SPREAD * ((weight * square).sum(dim=(1, 2)) / total / 2).sqrt().clamp_min(0.5)
    steps = torch.linspace(-1, 1, GRID)
    across = ((x[:, None] + reach[:, None] * steps) * 2 / width - 1)[:, None, :].expand(-1, GRID, -1)
    down = ((y[:, None] + reach[:, None] * steps) * 2 / height - 1)[:, :, None].expand(-1, -1, GRID)
    sampled = grid_sample(cover[:, None], torch.stack([across, down], dim=-1), align_corners=False)
    vectors = sampled.reshape(count, -1)
    vectors = vectors - vectors.mean(dim=1, keepdim=True)
    return vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-6)
