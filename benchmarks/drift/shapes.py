"""What a window shows: how large its shape is, both colours, and how much it moves. It says why statistics drift."""

from dataclasses import dataclass

import torch
from torch import Tensor

SHAPE_DIFFERENCE = 64.0  # in levels, from the background


@dataclass(frozen=True)
class Content:
    """`area` is the share of the pixels that belong to the shape; the colours are means of red, green and blue.

    `motion` is the mean difference of consecutive frames, in levels.
    """

    area: float
    background: tuple[float, ...]
    shape: tuple[float, ...]
    motion: float


def content_of(frames: Tensor) -> Content:
    """The content of frames [F, H, W, 3], uint8. The background is the median colour of the edges of the frames."""
    levels = frames.float()
    edges = torch.cat([levels[:, 0], levels[:, -1], levels[:, :, 0], levels[:, :, -1]], dim=1).reshape(-1, 3)
    background = edges.median(dim=0).values
    is_shape = (levels - background).abs().amax(dim=-1) > SHAPE_DIFFERENCE
    motion = float((levels[1:] - levels[:-1]).abs().mean()) if len(levels) > 1 else 0.0
    area = float(is_shape.double().mean())
    return Content(area, _mean(levels[~is_shape]), _mean(levels[is_shape]), motion)


def _mean(pixels: Tensor) -> tuple[float, ...]:
    """The mean colour; of no pixels it is black."""
    return tuple(pixels.double().mean(dim=0).tolist()) if len(pixels) else (0.0, 0.0, 0.0)
