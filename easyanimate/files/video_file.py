"""Video files of this project, read back to check their content. Other videos are read by `easyanimate.media`."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from easyanimate.errors import InvalidInput
from easyanimate.media.video.color import color_tags, frame_to_rgb


@dataclass(frozen=True)
class VideoInfo:
    """The content of a file, measured by decoding all of it. Sizes in pixels, `fps` in frames per second."""

    num_frames: int
    width: int
    height: int
    fps: Fraction
    comment: str | None


def probe(path: str | Path) -> VideoInfo:
    """Decodes the video at `path` and describes it. InvalidInput if any part cannot be decoded."""
    with _open(path) as container:
        stream = container.streams.video[0]
        num_frames = sum(1 for _ in _decoded(container, path))
        return VideoInfo(
            num_frames, stream.width, stream.height, Fraction(stream.average_rate), container.metadata.get("comment")
        )


def read_frames(path: str | Path) -> Iterator[np.ndarray]:
    """The frames [H, W, 3], uint8 RGB, of the video at `path`. InvalidInput if it cannot be decoded."""
    with _open(path) as container:
        for frame in _decoded(container, path):
            yield frame_to_rgb(frame, color_tags(frame))


def _open(path: str | Path) -> Any:
    try:
        container = av.open(str(path), "r")
    except av.error.FFmpegError as problem:
        raise InvalidInput(f"{path} is not a video that can be read: {problem.strerror}") from problem
    if not container.streams.video:
        container.close()
        raise InvalidInput(f"{path} holds no video")
    return container


def _decoded(container: Any, path: str | Path) -> Iterator[Any]:
    try:
        yield from container.decode(video=0)
    except av.error.FFmpegError as problem:
        raise InvalidInput(f"{path} is damaged: {problem.strerror}") from problem
