"""Frames stored exactly until they are encoded into a video: lossless H.264, fast rather than small."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from easyanimate.errors import InvalidInput

# A quarter of the size of raw pixels in a few milliseconds per frame. FFV1 is a third smaller and three times slower.
LOSSLESS_OPTIONS = {"qp": "0", "preset": "ultrafast"}


class LosslessWriter:
    """Appends frames to a file from which `read_lossless` returns equal frames after `close`."""

    def __init__(self, path: Path, *, width: int, height: int) -> None:
        """`width` and `height` in pixels."""
        self.path = path
        self.num_frames = 0
        self._container: Any = av.open(str(path), "w", format="matroska")
        self._stream: Any = self._container.add_stream("libx264rgb", rate=24, options=dict(LOSSLESS_OPTIONS))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "rgb24"

    def write(self, frames: Any) -> None:
        """Appends `frames` [F, H, W, 3], uint8 RGB, an array or a tensor on the CPU."""
        for pixels in np.asarray(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = self.num_frames
            self._container.mux(self._stream.encode(frame))
            self.num_frames += 1

    def close(self) -> None:
        """Finishes the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


def read_lossless(path: Path) -> Iterator[np.ndarray]:
    """The frames [H, W, 3], uint8 RGB. InvalidInput if decoding fails; not all damage is detected."""
    try:
        with av.open(str(path), "r", format="matroska") as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, IndexError) as problem:
        raise InvalidInput(f"{path.name} cannot be decoded: {problem}") from problem
