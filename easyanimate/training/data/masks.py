"""Which frames of a clip are given: none, the first few, or the first and last few (spec: transformer 19.2)."""

from random import Random

from torch import Tensor

MAX_KEPT_FRAMES = 4


def random_ends(frames: int, random: Random, *, after: bool | None = None, single: float = 0.0) -> tuple[int, int]:
    """So many frames at the start, 1 to 4, and at the end, as many or none; with `after` always or never.

    A share `single` of the clips gets one frame there, as a start picture is; the others' count is drawn.
    """
    alone = single > 0 and random.random() < single
    given = 1 if alone else random.randint(1, min(MAX_KEPT_FRAMES, frames // 2))
    both = random.random() < 0.5 if after is None else after
    return given, given if both else 0


def keep_ends(clip: Tensor, ends: tuple[int, int], *, other: float) -> None:
    """Set all frames of `clip` [..., F, H, W] between its ends to `other`, in place."""
    first, last = ends
    clip[..., first : clip.shape[-3] - last, :, :] = other
