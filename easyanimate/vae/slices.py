"""Cutting a clip into slices in time, and giving each slice of latents its neighbours (spec: Slice VAE 7)."""

from collections.abc import Iterable, Iterator
from itertools import chain

from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE

LEGACY_STEP = 4  # the legacy mode makes 1 + 4k frames of 1 + k latents


def split_slices(clip: Tensor, frames_per_slice: int) -> tuple[Tensor, ...]:
    """Views of [B, C, F, H, W]: the first frame alone if F is odd, then slices; the last may be shorter."""
    frames = clip.shape[2]
    lone = frames % 2
    sizes = [min(frames_per_slice, frames - start) for start in range(lone, frames, frames_per_slice)]
    return clip.split([1] * lone + sizes, dim=2)


def with_neighbours(slices: Iterable[Tensor]) -> Iterator[tuple[Tensor | None, Tensor, Tensor | None]]:
    """Each slice with the one before and the one after it, reading one slice ahead.

    The lone first frame of an odd clip has no neighbours, and is none.
    """
    stream = iter(slices)
    before, part = None, next(stream, None)
    for after in chain(stream, [None]):
        if part is None:
            return
        if part.shape[2] == 1:
            yield None, part, None
            before = None
        else:
            yield before, part, after
            before = part
        part = after


def check_num_frames(frames: int, *, legacy: bool) -> None:
    """Refuse a clip length that would not come back as it went in, naming the nearest that do (spec: 7.3, A)."""
    step = LEGACY_STEP if legacy else FRAMES_PER_SLICE
    below = max(frames - 1, 0) // step * step + 1  # the nearest that is one more than whole steps
    above = below + step if legacy else below + step - 1
    if frames in (below, above):
        return
    nearest = f"{below} or {above}" if frames > 0 else "1"
    raise InvalidInput(f"a clip of {frames} frames does not come back with the same length; nearest that do: {nearest}")
