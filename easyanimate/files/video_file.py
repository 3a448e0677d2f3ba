"""MP4 files, read back to check their content, whole or in windows."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from easyanimate.errors import InvalidInput

MAX_REORDERED_FRAMES = 16  # a frame of H.264 or H.265 may be stored this many frames early


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
            yield frame.to_ndarray(format="rgb24")


@dataclass(frozen=True)
class VideoHeader:
    """The values in a file's header, which may be wrong. Sizes in pixels."""

    num_frames: int
    width: int
    height: int


def read_header(path: str | Path) -> VideoHeader:
    """Reads the header of the video at `path` without decoding. InvalidInput if it declares no visible frame."""
    with _open(path) as container:
        stream = container.streams.video[0]
        if stream.codec_context is None or not stream.average_rate:
            raise InvalidInput(f"{path} has no frames, or does not say at what rate they are shown")
        header = VideoHeader(_declared_frames(container, stream), stream.width, stream.height)
    if min(header.num_frames, header.width, header.height) < 1:
        raise InvalidInput(f"{path} holds {header.num_frames} frames of {header.width}x{header.height} pixels")
    return header


def read_window(path: str | Path, start: int, count: int) -> Iterator[np.ndarray]:
    """At most `count` frames [H, W, 3], uint8 RGB, of the video at `path`, from number `start` on.

    Frames are located by their timestamps. With a variable rate or inexact timestamps (AVI), `start` is approximate.
    Only these frames and those since the previous keyframe are decoded. InvalidInput if decoding fails.
    """
    with _open(path) as container:
        start_time = _seek(container, start, path) if start > 0 else None
        shown = (frame for frame in _decoded(container, path) if start_time is None or _time(frame, path) >= start_time)
        for frame in islice(shown, count):
            yield frame.to_ndarray(format="rgb24")


def _declared_frames(container: Any, stream: Any) -> int:
    """The frame count in the header, or the count that follows from the duration."""
    if stream.frames:
        return int(stream.frames)
    if stream.duration:
        return int(stream.duration * stream.time_base * stream.average_rate)
    return int(Fraction(container.duration or 0, av.time_base) * stream.average_rate)


def _seek(container: Any, start: int, path: str | Path) -> Fraction:
    """Seeks to a keyframe from which frame `start` can be decoded; returns the start time in the stream's units.

    Files are searched by the decoding time of a frame, which may be `MAX_REORDERED_FRAMES` before its display time. The
    result is half a frame earlier, because timestamps are rounded.
    """
    stream = container.streams.video[0]
    if not stream.average_rate:
        raise InvalidInput(f"{path} does not say at what rate it is shown")
    first, frame = stream.start_time or 0, 1 / (stream.average_rate * stream.time_base)
    try:
        if start > MAX_REORDERED_FRAMES:
            container.seek(first + int((start - MAX_REORDERED_FRAMES) * frame), stream=stream)
    except av.error.FFmpegError as problem:
        raise InvalidInput(f"{path} cannot be read from its frame {start} on: {problem.strerror}") from problem
    return Fraction(first + (start - Fraction(1, 2)) * frame)


def _time(frame: Any, path: str | Path) -> int:
    if frame.pts is None:
        raise InvalidInput(f"{path} does not say when its frames are shown")
    return int(frame.pts)


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
