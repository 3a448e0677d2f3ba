"""Reads the frames of a video at a frame rate, as a player shows them, in the memory of a few frames."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

from easyanimate.media.description import Edit, VideoDescription
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.color import to_rgb
from easyanimate.media.video.container import OpenVideo, open_video
from easyanimate.media.video.decoding import TrackDecoder
from easyanimate.media.video.deinterlacing import deinterlaced
from easyanimate.media.video.describe import MIN_READABLE_SHARE, describe_open_video
from easyanimate.media.video.timeline import media_times

MAX_REORDERED_FRAMES = 16  # a frame of H.264 or H.265 may be stored this many frames early
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
        yield from self._at([number / Fraction(fps) for number in range(start, end)], 1 / Fraction(fps), size)

    def window(self, start: int, num_frames: int) -> Iterator[np.ndarray]:
        """At most `num_frames` frames [H, W, 3], uint8 sRGB, one by one from frame number `start` on.

        They are found by their times: with a variable rate the position is approximate. Raises UnsupportedMedia.
        """
        interval = 1 / self.description.frame_rate
        end = min(self.description.num_frames, start + num_frames)
        yield from self._at([(number + Fraction(1, 2)) * interval for number in range(start, end)], interval / 2, None)

    def _at(self, times: Sequence[Fraction], length: Fraction, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
        """The frames shown at these times; the last one is shown for `length` seconds."""
        edits = self.description.edits
        targets = [(edits[index], time) for index, time in media_times(edits, times)]
        for run in _runs(targets):
            yield from self._run(run, length, size)

    def _run(self, run: Sequence[Target], length: Fraction, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
        """The frames of `run`, whose times rise. What is shown until the next frame is decoded, and counted, too."""
        edit, last = run[-1]
        until = min(edit.media_start_s + edit.duration_s * edit.rate, last + edit.rate * length)
        times = iter([time + self.description.clock_error for _, time in run])
        target: Fraction | None = next(times)
        shown: Any = None
        pixels: np.ndarray | None = None
        for time, frame in self._decoded(run[0][1]):
            while shown is not None and target is not None and time > target:
                pixels = self._pixels(shown, size) if pixels is None else pixels
                yield pixels
                target = next(times, None)
            if shown is not None and time >= until and target is None:
                return
            shown, pixels = frame, None
        if shown is None:
            raise UnsupportedMedia("has no frame that can be decoded; export it again")
        while target is not None:
            pixels = self._pixels(shown, size) if pixels is None else pixels
            yield pixels
            target = next(times, None)

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

    def _pixels(self, frame: Any, size: tuple[int, int] | None) -> np.ndarray:
        """The frame upright, with square pixels."""
        video = self.description
        width, height = size or (video.width, video.height)
        unturned = (height, width) if video.quarter_turns % 2 else (width, height)
        return np.ascontiguousarray(np.rot90(to_rgb(frame, video.colors, unturned), -video.quarter_turns))


@contextmanager
def open_reader(file: BinaryIO) -> Iterator[VideoReader]:
    """Opens the video in `file`, which must allow seeking. Raises UnsupportedMedia."""
    with open_video(file) as video:
        yield VideoReader(video, describe_open_video(video, threads=0))


def _runs(targets: Sequence[Target]) -> Iterator[Sequence[Target]]:
    """Cuts the targets where the reader has to seek: back, or over a long gap between two edits."""
    begin = 0
    for index, ((edit, time), (next_edit, next_time)) in enumerate(pairwise(targets), start=1):
        gap = next_time - time
        if gap < 0 or (next_edit is not edit and gap > MAX_DECODED_GAP_S):
            yield targets[begin:index]
            begin = index
    if targets:
        yield targets[begin:]
