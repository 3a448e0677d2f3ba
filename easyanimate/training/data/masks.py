"""The known frames of a clip: none, the first few, or the first and last few (spec: transformer 19.2)."""

from random import Random

from torch import Tensor

MAX_CONDITION_FRAMES = 4


def random_condition_frames(
    frames: int, random: Random, *, at_end: bool | None = None, single: float = 0.0
) -> tuple[int, int]:
    """The number of known frames at the start, 1 to 4, and at the end, the same number or 0; `at_end` decides which.

    A share `single` of the clips has one known frame, as with a start image; for the others the number is random.
    """
    is_single = single > 0 and random.random() < single
    count = 1 if is_single else random.randint(1, min(MAX_CONDITION_FRAMES, frames // 2))
    has_end = random.random() < 0.5 if at_end is None else at_end
    return count, count if has_end else 0


def mask_middle(clip: Tensor, ends: tuple[int, int], *, value: float) -> None:
    """Sets the frames of `clip` [..., F, H, W] between its known ends to `value`, in place."""
    first, last = ends
    clip[..., first : clip.shape[-3] - last, :, :] = value
