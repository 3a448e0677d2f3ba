"""Joins the frames of windows: the shared frames are blended."""

from collections.abc import Generator, Iterator

import torch
from torch import Tensor

from easyanimate.pipeline.windows.still_scene import StillScene


def join(pieces: Iterator[Tensor], tail: Tensor | None, kept: int, shared: int) -> Generator[Tensor, None, Tensor]:
    """Yields the first `kept` frames of a window, blended into `tail`; returns the last `shared` of them instead."""
    position = 0
    waiting: list[Tensor] = []
    for piece in pieces:  # also after the last kept frame: the random numbers of the next window follow
        piece = piece[: max(kept - position, 0)]
        blended = piece if tail is None else blend(tail, piece, position)
        position += len(piece)
        frames = torch.cat([*waiting, blended])
        ready = max(len(frames) - shared, 0)
        if ready:
            yield frames[:ready]
        waiting = [frames[ready:].clone()]  # a view would keep the whole piece in memory
    return waiting[0]


def blend(tail: Tensor, frames: Tensor, position: int) -> Tensor:
    """`frames` [F, H, W, 3] from `position` of a window, faded in over the n frames of `tail`: 0, 1/n, 2/n, ..."""
    old = tail[position : position + len(frames)]
    weights = torch.arange(position, position + len(old)).view(-1, 1, 1, 1) / len(tail)
    mixed = old * (1 - weights) + frames[: len(old)] * weights
    return torch.cat([mixed.round().to(torch.uint8), frames[len(old) :]])


def with_picture(frames: Generator[Tensor, None, Tensor], scene: StillScene) -> Generator[Tensor, None, Tensor]:
    """The frames of the first window of a shot; `scene` sees them at the end, with the last ones that it returns."""
    collected: list[Tensor] = []

    def collect() -> Iterator[Tensor]:
        collected.append((yield from frames))

    for piece in collect():
        collected.append(piece)
        yield piece
    scene.set_picture(torch.cat(collected))
    return collected[-1]
