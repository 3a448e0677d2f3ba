"""An experiment: keeps the colours of a long video near those of its first window.

A model changes colours a little in each window, and the next window continues from the changed frames. So two maps with
a gain and an offset per channel are applied at each join:

- The frames that flow into a window get the colours of the *anchor*, the first frames of the shot.
- The new window gets the colours of these frames, which it generated again as its first ones.

A map is fitted to the pixels that differ by a few levels only, so that a moving object changes no colours. Where most
pixels differ, nothing is changed: it is another view, and not another colour.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

MAX_DIFFERENCE = 24.0  # in levels of 255; pixels that differ by more show something else
MIN_SHARE = 0.25  # of the pixels, for a map
MIN_DEVIATION = 4.0  # in levels; a plainer image has no contrast to compare
MAX_GAIN = 1.1


class Anchoring:
    """The colours of one shot after the other. `anchor` [n, H, W, 3], uint8, are the first frames of the current one.

    When it is not on, no frame is changed.
    """

    def __init__(self, anchor: Tensor | None = None, *, is_on: bool = False) -> None:
        self.is_on = is_on
        self.anchor = anchor if is_on else None

    def begin_shot(self) -> None:
        """The next window has an anchor of its own."""
        self.anchor = None

    def context_frames(self, tail: Tensor | None) -> Tensor | None:
        """The last frames of a window, uint8, as the next window reads them."""
        if tail is None or self.anchor is None:
            return tail
        gain, offset = match_channels(tail.double().mean(0), self.anchor.double().mean(0))
        return _mapped(tail, gain, offset)

    def window(self, pieces: Iterator[Tensor], context: Tensor | None, shared: int) -> Iterator[Tensor]:
        """The pieces of a window that continues from `context`. Its first `shared` frames become the missing anchor."""
        if not self.is_on:
            yield from pieces
            return
        start = _first_frames(pieces, max(shared, 0 if context is None else len(context)))
        gain, offset = torch.ones(3), torch.zeros(3)
        if context is not None and len(start) >= len(context):
            gain, offset = match_channels(start[: len(context)], context)
        start = _mapped(start, gain, offset)
        if self.anchor is None and shared:
            self.anchor = start[:shared].clone()
        yield start
        for piece in pieces:
            yield _mapped(piece, gain, offset)


UNCHANGED = Anchoring()


def match_channels(frames: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset [3], float64, that give `frames` [..., H, W, 3] the colours of `target`, in levels of 255.

    Both show the same, apart from objects that move. Returns the gain 1 and the offset 0 where they show too little in
    common.
    """
    source, wanted = frames.double().reshape(-1, 3), target.double().reshape(-1, 3)
    same = (source - wanted).abs().amax(dim=1) < MAX_DIFFERENCE
    if same.double().mean() < MIN_SHARE:
        return torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    source, wanted = source[same], wanted[same]
    deviation, wanted_deviation = (each.std(dim=0, correction=0) for each in (source, wanted))
    has_contrast = torch.minimum(deviation, wanted_deviation) > MIN_DEVIATION
    gain = torch.where(has_contrast, wanted_deviation / deviation.clamp(min=1e-9), 1.0).clamp(1 / MAX_GAIN, MAX_GAIN)
    return gain, wanted.mean(dim=0) - gain * source.mean(dim=0)


def _mapped(frames: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """`frames`, uint8, after a map of their channels."""
    return (frames * gain + offset).round().clamp(0, 255).to(torch.uint8)


def _first_frames(pieces: Iterator[Tensor], count: int) -> Tensor:
    """The first pieces of an iterator, as many as have `count` frames together."""
    start = next(pieces)
    while len(start) < count and (piece := next(pieces, None)) is not None:
        start = torch.cat([start, piece])
    return start
