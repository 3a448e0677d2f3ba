"""Keeps a still scene as its first window shows it.

A model changes the known frames of a window a little when it generates them again: a shape grows by a part of a
pixel. The next window continues from the changed frames, so the changes add up. Where nothing moves in the first window
of a shot, its mean over time is the *picture* of the scene. The frames that flow into a window, and the frames of each
later window, are the picture and their own changes in time.

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
        levels, other = frames.float(), other_objects(frames, picture)
        own = (~other[num_context:]).float()
        count = own.sum(0)
        mean = torch.where(count > 0, (levels[num_context:] * own).sum(0) / count.clamp(min=1), picture)
        kept = (picture + (levels - mean).clamp(-MAX_CHANGE, MAX_CHANGE)).round().clamp(0, 255).to(torch.uint8)
        return torch.where(other, frames, kept)

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
    levels = frames.float()
    mean, quarter = levels.mean(0), -(-len(levels) // 4)
    ends = mean + levels[:quarter].mean(0) - levels[-quarter:].mean(0)
    moves = _wide_differences(torch.cat([levels, ends[None]]), mean, MOVED_EDGE).any()
    return torch.empty(0) if bool(moves) else mean


def other_objects(frames: Tensor, picture: Tensor) -> Tensor:
    """Where frames differ from the picture by more than an edge [F, H, W, 1], with a margin of an edge."""
    margin = 2 * (EDGE // 2)
    wide = _wide_differences(frames.float(), picture, EDGE)
    return F.max_pool2d(wide, 2 * margin + 1, stride=1, padding=margin)[:, 0, ..., None] > 0


def _wide_differences(frames: Tensor, picture: Tensor, width: int) -> Tensor:
    """1 at the centres [F, 1, H, W] of squares of this width that differ from the picture."""
    differs = ((frames - picture).abs().amax(dim=-1) > OTHER_DIFFERENCE).float()
    return -F.max_pool2d(-differs[:, None], width, stride=1, padding=width // 2)
