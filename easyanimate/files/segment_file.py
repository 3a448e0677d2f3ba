"""Segments of a video that play before the video is complete: MPEG-TS files that follow each other seamlessly (HLS)."""

import secrets
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from easyanimate.files.video_writer import H264_OPTIONS, h264_stream, yuv_frame

# Segments are temporary and the MP4 is kept, so they use a third of the CPU time of the MP4's encoder.
OPTIONS = {**H264_OPTIONS, "crf": "20", "preset": "veryfast"}
# Each segment has its own muxer. It marks the discontinuity at its start and does not change timestamps, so that all
# segments share one clock.
MPEGTS_OPTIONS = {"mpegts_flags": "initial_discontinuity", "mpegts_copyts": "1"}
LEAD_S = 1  # all timestamps are later by this, because the first frames are decoded before they are shown


class SegmentWriter:
    """Writes one part of a video to `path`, which appears on `close`. Its first frame is a keyframe."""

    def __init__(self, path: Path, *, width: int, height: int, fps: int | Fraction, first_frame: int) -> None:
        """`width` and `height` in pixels, both even; `first_frame` is the number of frames in all earlier segments."""
        self.path = path
        self.num_frames = 0
        self._fps = Fraction(fps)
        self._first = first_frame
        self._unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        self._container: Any = av.open(str(self._unfinished), "w", format="mpegts", options=dict(MPEGTS_OPTIONS))
        self._stream = h264_stream(self._container, (height, width), self._fps, OPTIONS)

    def write(self, frames: np.ndarray) -> None:
        """Appends `frames` [F, H, W, 3], uint8 RGB."""
        for pixels in frames:
            frame = yuv_frame(pixels)
            frame.pts = self._first + self.num_frames + round(LEAD_S * self._fps)
            frame.time_base = 1 / self._fps
            self._container.mux(self._stream.encode(frame))
            self.num_frames += 1

    def close(self) -> None:
        """Finishes the file after its last frame."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._unfinished.replace(self.path)

    def drop(self) -> None:
        """Deletes the unfinished file."""
        with suppress(OSError, ValueError):
            self._container.close()
        self._unfinished.unlink(missing_ok=True)
