"""Plans the windows of a long video with plain integers, without torch, so that a front end can plan (spec: 9).

The model generates at most one window of frames at a time, 8k of them. A longer video has windows that overlap. Each
later window starts with the last `overlap` frames of the previous window. The video has exactly the requested length:

- Without an end image all windows but the last are full, as upstream plans them. The frames that the last one
  generates beyond the requested length (at most 7, at its end) are cut off.
- With an end image all windows but the first are full, and the last one ends in the image. The surplus is cut off the
  end of the first window, before the next window starts.

A film is a list of shots. Each shot is planned as a video of its own. Its first window starts with the last frames of
the shot before, or without any after a cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from easyanimate.geometry import FRAMES_PER_SLICE

OVERLAPS = range(1, 5)  # V3 was trained with 1 to 4 known frames at the start
DEFAULT_OVERLAP = 4
# How a window continues: from the frames before it, or of a still scene also with the picture of the first window.
ContinuationMode = Literal["frames", "still"]
FRAMES: ContinuationMode = "frames"
STILL: ContinuationMode = "still"


def continues_windows(num_frames: int, window: int, *, num_shots: int = 1, extends: bool = False) -> bool:
    """Whether a window of a video of `num_frames` frames continues other frames.

    `window` is that of the model, 0 if it generates single images. `extends` is whether the video continues another.
    """
    return extends or num_shots > 1 or num_frames > max(window, 1)


@dataclass(frozen=True)
class Window:
    """A window of `num_frames` frames that starts at frame `start` of the video; its first `kept` frames are used.

    `shot` is the index of the shot of a film that it belongs to.
    """

    start: int
    num_frames: int
    kept: int
    shot: int = 0

    @property
    def end(self) -> int:
        """The position after the last frame that is used."""
        return self.start + self.kept


@dataclass(frozen=True)
class ShotLength:
    """A shot has `num_frames` new frames, and continues from the last `overlap` frames of the shot before.

    An overlap of 0 is a cut. `end_image` says whether the shot ends in an image.
    """

    num_frames: int
    overlap: int = 0
    end_image: bool = False


def plan_windows(
    num_frames: int, *, window: int, overlap: int = DEFAULT_OVERLAP, continues: int = 0, end_image: bool = False
) -> tuple[Window, ...]:
    """Plans the windows of a video of exactly `num_frames`, at most `window` frames each.

    `continues` is 0, or `overlap` for a video that extends another one. The last frames of the other video then have
    the positions 0..overlap-1, and `num_frames` new ones follow. One frame alone is an image.
    Raises ValueError, which says what would work, if there is no plan.
    """
    _check(window, overlap, continues)
    total = num_frames + continues
    minimum = min_frames(continues=continues, end_image=end_image)
    if num_frames < minimum:
        with_end = " with an end image" if end_image else ""
        raise ValueError(f"num_frames must be {minimum} or more{with_end}, got {num_frames}")
    if total == 1:
        return (Window(0, 1, 1),)
    if not end_image:
        return _full_first(total, window, overlap)
    return _full_last(total, min(window, _floor(total)), overlap)


def plan_shots(shots: Sequence[ShotLength], *, window: int, overlap: int = DEFAULT_OVERLAP) -> tuple[Window, ...]:
    """Plans the windows of a film, in order, at most `window` frames each.

    The windows inside a shot share as many frames as the shot shares with the one before, or `overlap` after a cut. The
    overlap of the first shot counts inside it only. Raises ValueError, which names the shot, if there is no plan.
    """
    plan: list[Window] = []
    first_frame = 0
    for index, shot in enumerate(shots):
        shared = shot.overlap if index else 0
        following = shots[index + 1].overlap if index + 1 < len(shots) else 0
        try:
            windows = plan_windows(
                shot.num_frames,
                window=window,
                overlap=shot.overlap or overlap,
                continues=shared,
                end_image=shot.end_image,
            )
        except ValueError as problem:
            raise ValueError(f"shots[{index}]: {problem}") from problem
        offset = first_frame - shared
        plan += [replace(each, start=each.start + offset, shot=index) for each in _with_long_end(windows, following)]
        first_frame += shot.num_frames
    return tuple(plan)


def _with_long_end(windows: tuple[Window, ...], num_frames: int) -> tuple[Window, ...]:
    """Starts the last window earlier if it would keep fewer than `num_frames` frames, which the next shot needs."""
    last = windows[-1]
    missing = num_frames - last.kept
    if missing <= 0 or len(windows) == 1:
        return windows
    return (*windows[:-1], replace(last, start=last.start - missing, kept=num_frames))


def min_frames(*, continues: int = 0, end_image: bool = False) -> int:
    """The smallest number of frames that has a plan; each larger number has a plan too."""
    return max(1, FRAMES_PER_SLICE - continues) if end_image else 1


def _full_first(total: int, window: int, overlap: int) -> tuple[Window, ...]:
    plan, start = [], 0
    while start + window < total:
        plan.append(Window(start, window, window))
        start += window - overlap
    rest = total - start
    return (*plan, Window(start, _ceil(rest), rest))


def _full_last(total: int, window: int, overlap: int) -> tuple[Window, ...]:
    """`total` is at least `window`; the first window keeps more than `overlap` frames."""
    stride = window - overlap
    later = -(-(total - window) // stride)
    first = total - later * stride
    starts = (first - overlap + i * stride for i in range(later))
    return (Window(0, _ceil(first), first), *(Window(start, window, window) for start in starts))


def _ceil(num_frames: int) -> int:
    return -(-num_frames // FRAMES_PER_SLICE) * FRAMES_PER_SLICE


def _floor(num_frames: int) -> int:
    return num_frames // FRAMES_PER_SLICE * FRAMES_PER_SLICE


def _check(window: int, overlap: int, continues: int) -> None:
    """Checks that a window is longer than the overlap, so that each window adds frames."""
    if window < FRAMES_PER_SLICE or window % FRAMES_PER_SLICE:
        raise ValueError(f"a window must have a multiple of {FRAMES_PER_SLICE} frames, got {window}")
    if overlap not in OVERLAPS:
        raise ValueError(f"overlap must be between {OVERLAPS[0]} and {OVERLAPS[-1]}, got {overlap}")
    if continues not in (0, overlap):
        raise ValueError(f"continues must be 0 or {overlap}, the overlap, got {continues}")
