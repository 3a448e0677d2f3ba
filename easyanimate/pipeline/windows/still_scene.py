"""Keeps a still scene as its first window shows it.

A model changes the known frames of a window a little when it generates them again: a shape grows by a part of a
pixel. The next window continues from the changed frames, so the changes add up. Where nothing moves in the first window
of a shot, its mean over time is the *picture* of the scene. The frames that flow into a window, and the frames of each
later window, are the picture and their own changes in time.

Frames are compared a few at a time, since floats of a whole window take several times its memory.

A difference from the picture that is wider than half a cell of the latents is another object and not an error. It stays
as it is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

OTHER_DIFFERENCE = 64.0  # in levels of 255; pixels that differ by more show something else
MAX_CHANGE = 24.0  # in levels; of a pixel of a still scene in time
EDGE = 5  # pixels, and half a cell of the latents is 4; a narrower difference is at the edge of the same object
MOVED_EDGE = 3  # pixels; in the first window, where nothing may move
OTHER_SCENE = 12.0  # in levels; a scene of which half of the pixels differ by more is another one (decision 94)
PIECE_FRAMES = 8  # that are compared at once


class StillScene:
    """The scene of one shot after the other, whose frames are uint8 [F, H, W, 3].

    `picture` [H, W, 3], float32, is that of the current shot: None before its first window, and empty if it moves. When
    it is not on, no frame is changed.
    """

    def __init__(self, picture: Tensor | None = None, *, is_on: bool = False) -> None:
        self.is_on = is_on
        self.picture = picture if is_on else None

    def begin_shot(self) -> None:
        """The next window is the first one of a shot."""
        self.picture = None

    def set_picture(self, frames: Tensor) -> None:
        """Takes the picture from the frames of the first window of a shot."""
        if self.wants_window:
            self.picture = picture_of(frames)

    def context_frames(self, tail: Tensor | None) -> Tensor | None:
        """The last frames of a window, as the next one reads them."""
        return tail if tail is None else self.window(tail, 0)

    def window(self, frames: Tensor, num_context: int) -> Tensor:
        """The frames of a window whose first `num_context` ones were generated again.

        They are the picture and their differences from their own mean, except where they show another object.
        """
        picture = self.picture
        if picture is None or not self.is_still:
            return frames
        other = other_objects(frames, picture)
        mean = _mean_outside(frames[num_context:], other[num_context:], picture)
        pieces = zip(frames.split(PIECE_FRAMES), other.split(PIECE_FRAMES), strict=True)
        return torch.cat([_corrected(piece, is_other, mean, picture) for piece, is_other in pieces])

    @property
    def wants_window(self) -> bool:
        """Whether the next window is the first one of a shot, of which the picture is taken."""
        return self.is_on and self.picture is None

    @property
    def is_still(self) -> bool:
        """Whether nothing moves in the first window of the shot."""
        return self.picture is not None and self.picture.numel() > 0


UNCHANGED = StillScene()


def picture_of(frames: Tensor) -> Tensor:
    """The mean [H, W, 3] of frames [F, H, W, 3]; empty if something moves in them."""
    mean, quarter = _mean(frames), -(-len(frames) // 4)
    ends = mean + _mean(frames[:quarter]) - _mean(frames[-quarter:])
    pieces = (*frames.split(PIECE_FRAMES), ends[None])
    moves = any(bool(_wide_differences(piece, mean, MOVED_EDGE).any()) for piece in pieces)
    return torch.empty(0) if moves else mean


def picture_of_source(first: Tensor, last: Tensor) -> Tensor:
    """The picture [H, W, 3] of a video to extend, from its `first` frames [F, H, W, 3].

    It is empty if something moves in them, or if the `last` frames show another scene, as behind a cut.
    """
    picture = picture_of(first)
    return torch.empty(0) if picture.numel() and scene_distance(last, picture) > OTHER_SCENE else picture


def scene_distance(frames: Tensor, picture: Tensor) -> float:
    """By how many levels half of the pixels of the mean of frames [F, H, W, 3] differ from a picture, at most."""
    return float((_mean(frames) - picture).abs().amax(dim=-1).median())


def other_objects(frames: Tensor, picture: Tensor) -> Tensor:
    """Where frames differ from the picture by more than an edge [F, H, W, 1], with a margin of an edge."""
    margin = 2 * (EDGE // 2)
    wide = (_wide_differences(piece, picture, EDGE) for piece in frames.split(PIECE_FRAMES))
    return torch.cat([_largest(each, 2 * margin + 1)[:, 0, ..., None] > 0 for each in wide])


def _mean(frames: Tensor) -> Tensor:
    return frames.sum(0, dtype=torch.float32) / len(frames)


def _mean_outside(frames: Tensor, other: Tensor, picture: Tensor) -> Tensor:
    """The mean [H, W, 3] of each pixel over the frames that show no `other` object there; else the picture's."""
    total = torch.zeros_like(picture)
    for piece, is_other in zip(frames.split(PIECE_FRAMES), other.split(PIECE_FRAMES), strict=True):
        total += (piece.float() * ~is_other).sum(0)
    count = (~other).sum(0)
    return torch.where(count > 0, total / count.clamp(min=1), picture)


def _corrected(frames: Tensor, other: Tensor, mean: Tensor, picture: Tensor) -> Tensor:
    """The picture and the changes of frames from their mean, uint8; frames where they show an `other` object."""
    changes = (frames.float() - mean).clamp(-MAX_CHANGE, MAX_CHANGE)
    return torch.where(other, frames, (picture + changes).round().clamp(0, 255).to(torch.uint8))


def _wide_differences(frames: Tensor, picture: Tensor, width: int) -> Tensor:
    """1 at the centres [F, 1, H, W] of squares of this width that differ from the picture."""
    differs = ((frames.float() - picture).abs().amax(dim=-1) > OTHER_DIFFERENCE).float()
    return -_largest(-differs[:, None], width)


def _largest(values: Tensor, width: int) -> Tensor:
    """The largest value of the square of this width around each one [F, 1, H, W]: of its rows, then of its columns."""
    rows = F.max_pool2d(values, (1, width), stride=1, padding=(0, width // 2))
    return F.max_pool2d(rows, (width, 1), stride=1, padding=(width // 2, 0))
