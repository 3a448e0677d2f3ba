"""Draws scenes by signed distance functions, with soft edges."""

from collections.abc import Sequence

import torch
from torch import Tensor

from easyanimate.training.shapes.scene import UNITS, Scene

SOFTNESS = 2.0  # width of a soft edge in units
OUTLINE = 3.0  # width of the line of an outlined shape in units


def draw(scenes: Sequence[Scene], *, frames: int, height: int = 64, width: int = 64) -> Tensor:
    """Clips [B, 3, F, H, W] in [-1, 1], one for each scene."""
    numbers = torch.tensor(
        [[*scene.start, *scene.velocity, scene.radius, scene.growth, scene.angle, scene.spin] for scene in scenes]
    )  # [B, 8]
    x0, y0, dx, dy, radius, growth, angle, spin = (column[:, None, None, None] for column in numbers.T)
    time = torch.arange(frames)[None, :, None, None]  # [1, F, 1, 1]
    unit = min(height, width) / UNITS
    rows = ((torch.arange(height) + 0.5 - height / 2) / unit)[None, None, :, None]
    columns = ((torch.arange(width) + 0.5 - width / 2) / unit)[None, None, None, :]
    x, y = columns - (x0 + dx * time), rows - (y0 + dy * time)  # [B, F, H, W]
    turn = angle + spin * time
    x, y = x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()
    size = (radius + growth * time).clamp_min(1.0)
    distance = torch.stack([_DISTANCES[s.shape](x[i], y[i], size[i]) for i, s in enumerate(scenes)])
    outlined = torch.tensor([scene.style == "outlined" for scene in scenes])[:, None, None, None]
    distance = torch.where(outlined, (distance + OUTLINE / 2).abs() - OUTLINE / 2, distance)
    cover = (0.5 - distance / SOFTNESS).clamp(0, 1)[:, None]  # [B, 1, F, H, W]
    cover = cover * cover * (3 - 2 * cover)
    paint, ground = (
        torch.tensor(colours)[:, :, None, None, None]
        for colours in ([scene.paint for scene in scenes], [scene.ground for scene in scenes])
    )
    return (ground + cover * (paint - ground)) * 2 - 1


def _circle(x: Tensor, y: Tensor, size: Tensor) -> Tensor:
    return (x * x + y * y).sqrt() - size


def _square(x: Tensor, y: Tensor, size: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.86 * size


def _triangle(x: Tensor, y: Tensor, size: Tensor) -> Tensor:
    """An equilateral triangle with a corner at the top."""
    y = y - 0.2 * size
    return torch.maximum(0.866 * x.abs() - 0.5 * y, y) - 0.62 * size


def _cross(x: Tensor, y: Tensor, size: Tensor) -> Tensor:
    x, y = x.abs(), y.abs()
    long, thin = 1.05 * size, 0.34 * size
    return torch.minimum(torch.maximum(x - long, y - thin), torch.maximum(x - thin, y - long))


_DISTANCES = {"circle": _circle, "square": _square, "triangle": _triangle, "cross": _cross}
