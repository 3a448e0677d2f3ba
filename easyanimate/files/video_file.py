"""MP4 files: written frame by frame, complete or not at all, and read back to check their content."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from easyanimate.errors import InvalidInput
from easyanimate.files.durable import to_disk

BT709 = 1  # the number of ITU-R BT.709 in the H.264 tables, for primaries, transfer and matrix
LIMITED_RANGE = 1  # 16..235, the range that players expect of H.264
# Quality before speed: denoising takes minutes, encoding seconds. At the same CRF, "medium" takes twice the CPU time of
# "veryfast" and gains 0.8 dB. Without "cpu-independent" the AVX-512 code of x264 reads uninitialized memory, and equal
# frames give different bytes (measured at 96x64 and 80x64).
H264_OPTIONS = {"crf": "18", "preset": "medium", "x264-params": "cpu-independent=1"}

MAX_REORDERED_FRAMES = 16  # a frame of H.264 or H.265 may be stored this many frames early


class Mp4Writer:
    """H.264 in MP4 that plays while it loads, as a context manager: the file appears if the block succeeds.

    Until then frames go to a hidden file beside it, which is deleted after an error.
    """

    def __init__(
        self, path: str | Path, *, width: int, height: int, fps: int | Fraction = 24, comment: str | None = None
    ) -> None:
        """`width` and `height` in pixels, both even; `comment` is text for the file's metadata."""
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise InvalidInput(f"a video needs even width and height, got {width}x{height}")
        self.path = Path(path)
        self.num_frames = 0
        self._size = (height, width)
        self._fps = Fraction(fps)
        self._comment = comment
        self._unfinished = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.part")

    def __enter__(self) -> Self:
        self._container: Any = av.open(str(self._unfinished), "w", format="mp4", options={"movflags": "+faststart"})
        if self._comment is not None:
            self._container.metadata["comment"] = self._comment
        self._stream = h264_stream(self._container, self._size, self._fps, H264_OPTIONS)
        return self

    def write(self, frames: Any) -> None:
        """Appends `frames` [F, H, W, 3], uint8 RGB, an array or a tensor on the CPU, of the size of the video."""
        frames = np.asarray(frames)
        if frames.dtype != np.uint8 or frames.shape[1:] != (*self._size, 3):
            wanted = f"[F, {self._size[0]}, {self._size[1]}, 3] of uint8"
            raise InvalidInput(f"frames must be {wanted}, got {list(frames.shape)} of {frames.dtype}")
        for pixels in frames:
            frame = yuv_frame(pixels)
            frame.pts, frame.time_base = self.num_frames, 1 / self._fps
            self._container.mux(self._stream.encode(frame))
            self.num_frames += 1

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError, ValueError):  # the first error is the one to report; the file is deleted in any case
                self._container.close()
            self._unfinished.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self.num_frames == 0:
            raise InvalidInput("a video needs at least one frame")
        self._container.mux(self._stream.encode(None))
        self._container.close()
        to_disk(self._unfinished)
        self._unfinished.replace(self.path)
        to_disk(self.path.parent)


def h264_stream(container: Any, size: tuple[int, int], fps: Fraction, options: Mapping[str, str]) -> Any:
    """A new stream of `container` for frames of `size` (height, width in pixels), with BT.709 colours."""
    stream = container.add_stream("libx264", rate=fps, options=dict(options))
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    codec = stream.codec_context
    codec.time_base = 1 / fps
    codec.color_range = LIMITED_RANGE
    codec.colorspace = codec.color_primaries = codec.color_trc = BT709
    return stream


def yuv_frame(pixels: np.ndarray) -> Any:
    """Converts the image [H, W, 3], uint8 RGB, to a frame for the encoder."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
        format="yuv420p",
        interpolation=Interpolation.BICUBIC,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )


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
