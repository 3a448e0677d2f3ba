"""Segments of a video that play before the rest is there: MPEG-TS files that follow each other without a seam (HLS)."""

import secrets
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from easyanimate.files.video_file import H264_OPTIONS, h264_stream, yuv_frame

# To be watched on the way, while the MP4 is what is kept: a third of the processor time of the MP4's encoder.
OPTIONS = {**H264_OPTIONS, "crf": "20", "preset": "veryfast"}
# Each has a muxer of its own. It says so where it begins, and leaves the times as they are, so that all
# segments have one clock.
MPEGTS_OPTIONS = {"mpegts_flags": "initial_discontinuity", "mpegts_copyts": "1"}
LEAD_S = 1  # all times are later by this: the first frames are to be decoded before they are shown


class SegmentWriter:
    """One part of a video at `path`; the file appears when it is closed. Its first frame can be decoded alone."""

    def __init__(self, path: Path, *, width: int, height: int, fps: int | Fraction, first_frame: int) -> None:
        """`width` and `height` in pixels, both even; `first_frame` is how many frames those before it have."""
        self.path = path
        self.num_frames = 0
        self._fps = Fraction(fps)
        self._first = first_frame
        self._unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._container: Any = av.open(str(self._unfinished), "w", format="mpegts", options=dict(MPEGTS_OPTIONS))
        self._stream = h264_stream(self._container, (height, width), self._fps, OPTIONS)

    def write(self, frames: np.ndarray) -> None:
        """Append `frames` [F, H, W, 3], uint8 RGB."""
        for pixels in frames:
            frame = yuv_frame(pixels)
            frame.pts = self._first + self.num_frames + round(LEAD_S * self._fps)
            frame.time_base = 1 / self._fps
            self._container.mux(self._stream.encode(frame))
            self.num_frames += 1

    def close(self) -> None:
        """The last frame is in: the file is whole."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._unfinished.replace(self.path)

    def drop(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError, ValueError):
            self._container.close()
        self._unfinished.unlink(missing_ok=True)
