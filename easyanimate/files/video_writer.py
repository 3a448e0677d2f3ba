"""MP4 files, written frame by frame: complete or not at all."""

import secrets
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from easyanimate.errors import InvalidInput
from easyanimate.files.durable import to_disk
from easyanimate.files.mp4_join import StoredFrames, join_mp4
from easyanimate.windows import OVERLAPS

BT709 = 1  # the number of ITU-R BT.709 in the H.264 tables, for primaries, transfer and matrix
LIMITED_RANGE = 1  # 16..235, the range that players expect of H.264
UNBIASED = Interpolation.BICUBIC | Interpolation.ACCURATE_RND  # without the second flag means shift by 0.1 levels
# Quality before speed: denoising takes minutes, encoding seconds. At the same CRF, "medium" takes twice the CPU time of
# "veryfast" and gains 0.8 dB. Without "cpu-independent" the AVX-512 code of x264 reads uninitialized memory, and equal
# frames give different bytes (measured at 96x64 and 80x64).
H264_OPTIONS = {"crf": "18", "preset": "medium", "x264-params": "cpu-independent=1"}
# So many last frames, and the one before them, depend on earlier frames only (P frames): an extension replaces as many
# as it fades over, and copies all others exactly.
CUTTABLE_FRAMES = max(OVERLAPS)


class Mp4Writer:
    """H.264 in MP4 that plays while it loads, as a context manager: the file appears if the block succeeds.

    Until then frames go to hidden files beside it, which are deleted after an error. The last frames can be cut off,
    and another video can continue from there without encoding the others again.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        width: int,
        height: int,
        fps: int | Fraction = 24,
        comment: str | None = None,
        copied: StoredFrames | None = None,
    ) -> None:
        """`width` and `height` in pixels, both even; `comment` is text for the file's metadata.

        The first frames are not encoded but `copied` from another file, if it is given (`find_copyable_frames`).
        """
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise InvalidInput(f"a video needs even width and height, got {width}x{height}")
        self.path = Path(path)
        self.comment = comment
        self.num_frames = 0
        self._size = (height, width)
        self._fps = Fraction(fps)
        self._copied = () if copied is None else (copied,)
        self._num_copied = 0 if copied is None else copied.num_frames
        self._num_encoded = 0
        self._last_frames: deque[Any] = deque()
        mark = secrets.token_hex(4)
        self._encoded = self.path.with_name(f".{self.path.name}.{mark}.encoded.part")
        self._joined = self.path.with_name(f".{self.path.name}.{mark}.part")

    def __enter__(self) -> Self:
        self._container: Any = av.open(str(self._encoded), "w", format="mp4")
        self._stream = h264_stream(self._container, self._size, self._fps, H264_OPTIONS)
        return self

    def write(self, frames: Any) -> None:
        """Appends `frames` [F, H, W, 3], uint8 RGB, an array or a tensor on the CPU, of the size of the video."""
        frames = np.asarray(frames)
        if frames.dtype != np.uint8 or frames.shape[1:] != (*self._size, 3):
            wanted = f"[F, {self._size[0]}, {self._size[1]}, 3] of uint8"
            raise InvalidInput(f"frames must be {wanted}, got {list(frames.shape)} of {frames.dtype}")
        for pixels in frames:
            if self.num_frames >= self._num_copied:
                self._last_frames.append(yuv_frame(pixels))
            if len(self._last_frames) > CUTTABLE_FRAMES + 1:
                self._encode(self._last_frames.popleft())
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
            for path in (self._encoded, self._joined):
                path.unlink(missing_ok=True)

    def _encode(self, frame: Any) -> None:
        frame.pts, frame.time_base = self._num_encoded, 1 / self._fps
        self._container.mux(self._stream.encode(frame))
        self._num_encoded += 1

    def _finish(self) -> None:
        if not self._last_frames:
            raise InvalidInput("a video needs at least one frame")
        for frame in self._last_frames:
            if self._num_encoded > 0:  # the first frame is a keyframe
                frame.pict_type = PictureType.P
            self._encode(frame)
        self._container.mux(self._stream.encode(None))
        self._container.close()
        parts = (*self._copied, StoredFrames(self._encoded, self._num_encoded))
        join_mp4(self._joined, parts, self._fps, self.comment)
        to_disk(self._joined)
        self._joined.replace(self.path)
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
        interpolation=UNBIASED,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
