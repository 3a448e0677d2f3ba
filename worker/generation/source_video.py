"""Decodes the source video of a request: as a player shows it, in the request's size and frame rate.

The front end describes the video and decodes its first frame. A video with broken frames is therefore refused here.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.reader import VideoReader, open_reader
from jobs.model.request import VideoRequest
from jobs.warning_texts import FRAMES_LOST
from worker.protocol.errors import RequestRefused


class SourceFrames(Iterator[np.ndarray]):
    """Exactly `request.video_num_frames` frames [H, W, 3], uint8 RGB, at the request's rate. Raises RequestRefused."""

    def __init__(self, path: Path, request: VideoRequest) -> None:
        self._reader: VideoReader | None = None
        self._frames = self._read(path, request)

    def __next__(self) -> np.ndarray:
        return next(self._frames)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A warning about the frames that could not be decoded so far."""
        if self._reader is None or self._reader.num_lost == 0:
            return ()
        lost, total = self._reader.num_lost, self._reader.description.num_frames
        return (FRAMES_LOST.fill(lost=lost, total=total),)

    def _read(self, path: Path, request: VideoRequest) -> Iterator[np.ndarray]:
        size = (request.width, request.height)
        try:
            with path.open("rb") as file, open_reader(file) as self._reader:
                yield from _exactly(request.video_num_frames, self._reader.frames(request.fps, size=size))
        except UnsupportedMedia as error:
            raise RequestRefused("invalid_video", f"The video {error}") from error


def _exactly(num_frames: int, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The first frames; the last one is repeated if there are too few."""
    count = 0
    for frame in islice(frames, num_frames):
        yield frame
        count += 1
    for _ in range(num_frames - count):
        yield frame
