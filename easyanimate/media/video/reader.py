"""Reads the frames of a video at a frame rate, as a player shows them, in the memory of a few frames."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from easyanimate.media.description import Edit, VideoDescription
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.color import frame_to_rgb
from easyanimate.media.video.container import MIN_READABLE_SHARE, OpenVideo, open_video
from easyanimate.media.video.decoding import TrackDecoder
from easyanimate.media.video.deinterlacing import deinterlaced
from easyanimate.media.video.describe import describe_open_video
from easyanimate.media.video.timeline import media_times

MAX_REORDERED_FRAMES = 16  # a frame of H.264 or H.265 may be stored this many frames early
MAX_SHAPE_CHANGE = 0.05  # of the aspect ratio within a video, such as 1920x1080 after 1920x1088
MAX_DECODED_GAP_S = 5  # of unused video between two edits; over a longer gap the reader seeks

Target = tuple[Edit, Fraction]  # the edit of an output frame, and its time in the track in seconds


class VideoReader:
    """The frames of an open video. `description` says what it shows."""

    def __init__(self, video: OpenVideo, description: VideoDescription) -> None:
        self.description = description
        self._video = video
        self._decoder = TrackDecoder(video)

    @property
    def num_lost(self) -> int:
        """The number of frames that could not be decoded so far; the frame before was shown longer."""
        return len(self._decoder.lost)

    def frames(
        self,
        fps: int | Fraction,
        *,
        start: int = 0,
        num_frames: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> Iterator[np.ndarray]:
        """Frames [H, W, 3], uint8 sRGB, at `fps`; frame k shows the last one whose time is at most k / fps.

        `start` and `num_frames` count frames at `fps`; by default all are read. `size` is the wanted width and height
        in pixels. Frames that cannot be decoded are skipped. UnsupportedMedia if these are more than a tenth.
        """
        total = self.description.num_frames_at(fps)
        end = total if num_frames is None else min(total, start + num_frames)
        yield from self._at((number / Fraction(fps) for number in range(start, end)), 1 / Fraction(fps), size)

    def window(self, start: int, num_frames: int) -> Iterator[np.ndarray]:
        """At most `num_frames` frames [H, W, 3], uint8 sRGB, one by one from frame number `start` on.

        They are found by their times: with a variable rate the position is approximate. Raises UnsupportedMedia.
        """
        interval = 1 / self.description.frame_rate
        end = min(self.description.num_frames, start + num_frames)
        yield from self._at(((number + Fraction(1, 2)) * interval for number in range(start, end)), interval / 2, None)

    def _at(self, times: Iterable[Fraction], length: Fraction, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
        """The frames shown at these times; the last one is shown for `length` seconds."""
        edits = self.description.edits
        targets = _Targets((edits[index], time) for index, time in media_times(edits, times))
        while targets.current is not None:
            yield from self._run(targets, targets.current, length, size)

    def _run(
        self, targets: "_Targets", last: Target, length: Fraction, size: tuple[int, int] | None
    ) -> Iterator[np.ndarray]:
        """The frames of targets up to the next seek. All that the last one shows is decoded, so that it is counted."""
        shown: Any = None
        pixels: np.ndarray | None = None
        is_open = True
        for time, frame in self._decoded(last[1]):
            while shown is not None and is_open and time > last[1] + self.description.clock_error:
                pixels = self._pixels(shown, size) if pixels is None else pixels
                yield pixels
                last, is_open = targets.advance(last)
            if shown is not None and not is_open and time >= _end(last, length):
                return
            shown, pixels = frame, None
        if shown is None:
            raise UnsupportedMedia("has no frame that can be decoded; export it again")
        while is_open:
            pixels = self._pixels(shown, size) if pixels is None else pixels
            yield pixels
            last, is_open = targets.advance(last)

    def _decoded(self, start_s: Fraction) -> Iterator[tuple[Fraction, Any]]:
        """The frames from the one shown at `start_s` on. Raises UnsupportedMedia if too many cannot be decoded."""
        total = self.description.num_frames
        margin = MAX_REORDERED_FRAMES / self.description.frame_rate
        for decoded in deinterlaced(self._decoder.frames(start_s, margin)):
            self._check_lost(total)
            yield decoded
        self._check_lost(total)

    def _check_lost(self, total: int) -> None:
        if self.num_lost > (1 - MIN_READABLE_SHARE) * total + 1e-9:
            raise UnsupportedMedia(f"is damaged: {self.num_lost} of its {total} frames cannot be decoded")

    def _check_shape(self, frame: Any) -> None:
        video = self.description
        change = frame.width * video.stored_height / (frame.height * video.stored_width)
        if not 1 / (1 + MAX_SHAPE_CHANGE) <= change <= 1 + MAX_SHAPE_CHANGE:
            before, after = f"{video.stored_width}x{video.stored_height}", f"{frame.width}x{frame.height}"
            raise UnsupportedMedia(f"changes its shape from {before} to {after}; export it with one size")

    def _pixels(self, frame: Any, size: tuple[int, int] | None) -> np.ndarray:
        """The frame upright, with square pixels. Raises UnsupportedMedia if it has another shape than the first one."""
        video = self.description
        self._check_shape(frame)
        width, height = size or (video.width, video.height)
        unturned = (height, width) if video.quarter_turns % 2 else (width, height)
        return np.ascontiguousarray(np.rot90(frame_to_rgb(frame, video.colors, unturned), -video.quarter_turns))


@contextmanager
def open_reader(file: BinaryIO) -> Iterator[VideoReader]:
    """Opens the video in `file`, which must allow seeking. Raises UnsupportedMedia."""
    with open_video(file) as video:
        yield VideoReader(video, describe_open_video(video, threads=0))


class _Targets:
    """The output frames still to come; `current` is the next one, or None."""

    def __init__(self, targets: Iterator[Target]) -> None:
        self._targets = targets
        self.current = next(targets, None)

    def advance(self, last: Target) -> tuple[Target, bool]:
        """Goes on to the next target and returns it with True; `last` with False if there is none without a seek.

        The reader has to seek back, and over a long gap between two edits.
        """
        self.current = next(self._targets, None)
        if self.current is None:
            return last, False
        (edit, time), (next_edit, next_time) = last, self.current
        if next_time < time or (next_edit is not edit and next_time - time > MAX_DECODED_GAP_S):
            return last, False
        return self.current, True


def _end(target: Target, length: Fraction) -> Fraction:
    """When the frame of `target` is shown no more, after `length` seconds or at the end of its edit."""
    edit, time = target
    return min(edit.media_start_s + edit.duration_s * edit.rate, time + edit.rate * length)
