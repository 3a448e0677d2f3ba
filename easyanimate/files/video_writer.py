"""MP4 files, written frame by frame: complete or not at all."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
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
