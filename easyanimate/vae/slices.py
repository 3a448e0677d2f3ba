"""Splits a clip into slices in time, and adds the neighbours of each slice of latents (spec: Slice VAE 7)."""

from collections.abc import Iterable, Iterator
from itertools import chain

from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE

LEGACY_STEP = 4  # the legacy mode decodes 1 + k latents to 1 + 4k frames


def split_slices(clip: Tensor, frames_per_slice: int) -> tuple[Tensor, ...]:
    """Views of [B, C, F, H, W]: the first frame alone if F is odd, then slices; the last may be shorter."""
    frames = clip.shape[2]
    lone = frames % 2
    sizes = [min(frames_per_slice, frames - start) for start in range(lone, frames, frames_per_slice)]
    return clip.split([1] * lone + sizes, dim=2)


def with_neighbours(slices: Iterable[Tensor]) -> Iterator[tuple[Tensor | None, Tensor, Tensor | None]]:
    """Each slice with the previous and the next one, reading one slice ahead.

    The single first frame of an odd clip has no neighbours, and is no neighbour.
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
    """InvalidInput for a clip length that changes by decoding; it names the nearest lengths (spec: 7.3, A)."""
    step = LEGACY_STEP if legacy else FRAMES_PER_SLICE
    below = max(frames - 1, 0) // step * step + 1  # the nearest length of 1 + whole steps
    above = below + step if legacy else below + step - 1
    if frames in (below, above):
        return
    nearest = f"{below} or {above}" if frames > 0 else "1"
    raise InvalidInput(f"a clip of {frames} frames has another length after decoding; the nearest possible: {nearest}")
