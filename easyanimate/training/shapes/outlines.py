"""Which drawn shape a silhouette is nearest to."""

import functools
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from easyanimate.training.shapes.drawing import draw
from easyanimate.training.shapes.scene import SHAPES, STYLES, Scene
from easyanimate.training.shapes.segmenting import SegmentedFrames
from easyanimate.training.shapes.tracking import TURNS

GRID = 32  # pixels a side of the picture two silhouettes are compared in
SPREAD = 2.6  # that picture's half side, in standard deviations of the silhouette
RADII = (7.0, 9.0, 11.0, 13.5, 17.0, 22.0)
BLURS = (0, 3, 5, 7)  # pixels of a 64th of the frame that each is the mean of; 0 is sharp
ANGLES = 6  # of each shape, until it looks the same
LOOKS = 8  # frames that are looked at, at most


def likenesses(segments: SegmentedFrames, frames: np.ndarray, *, turned: bool) -> dict[tuple[str, str], float]:
    """How like each (shape, style) the object is in these `frames` (indices), on average; 1 is the same.

    `turned` compares with turned shapes too; a cross that is blurred is much like a square on its corner.
    """
    looks = frames[np.unique(np.linspace(0, len(frames) - 1, min(LOOKS, len(frames))).round().astype(int))]
    seen = _normal(torch.from_numpy(segments.cover[looks].astype(np.float32)))  # [K, G]
    kinds, patterns = _patterns(turned)
    best = {}
    for kind in sorted(set(kinds)):
        chosen = patterns[[i for i, each in enumerate(kinds) if each == kind]]
        best[kind] = float((seen @ chosen.T).amax(dim=1).mean())
    return best


@functools.cache
def _patterns(turned: bool) -> tuple[list[tuple[str, str]], Tensor]:
    """(shape, style) of each pattern, and the patterns [T, G]: all shapes, of several sizes, sharp and soft."""
    scenes = [
        Scene(shape, "white", "black", "still", radius=radius, angle=angle, style=style)
        for shape in SHAPES
        for style in STYLES
        for radius in RADII
        for angle in (_angles(shape) if turned else [0.0])
    ]
    sharp = (draw(scenes, frames=1).mean(dim=1)[:, 0] + 1) / 2  # [T, 64, 64]
    soft = [sharp if not blur else _blurred(sharp, blur) for blur in BLURS]
    kinds = [(scene.shape, scene.style) for scene in scenes]
    return kinds * len(BLURS), _normal(torch.cat(soft))


def _angles(shape: str) -> list[float]:
    turns = TURNS.get(shape)
    return [2 * math.pi / turns * i / ANGLES for i in range(ANGLES)] if turns else [0.0]


def _blurred(pictures: Tensor, side: int) -> Tensor:
    return torch.nn.functional.avg_pool2d(pictures[:, None], side, 1, side // 2)[:, 0]


def _normal(cover: Tensor) -> Tensor:
    """Silhouettes [K, H, W] at the same place and size, as vectors [K, G] whose product says how alike they are."""
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
