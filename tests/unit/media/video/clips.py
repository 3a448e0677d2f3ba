"""A clip whose frames say at what time they are shown, files of it, and what was read back.

The clip has four quadrants in flat colours and a white bar in a black strip. The bar runs from left to right, so that
its place is the time, from 0 to almost 1.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

from easyanimate.media.description import VideoDescription
from easyanimate.media.video.reader import open_reader

WIDTH, HEIGHT, BAR = 192, 96, 8
QUADRANTS = np.array([(200, 40, 40), (40, 160, 60), (40, 60, 190), (200, 190, 50)])
SAMPLES = Path(__file__).parents[3] / "samples" / "media"


def scene(time: float, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The image [H, W, 3], uint8, at a time from 0 to 1."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = QUADRANTS[:2]
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = QUADRANTS[2:]
    image[height // 2 - 8 : height // 2 + 8] = 0
    begin = round(time * (width - BAR))
    image[height // 2 - 8 : height // 2 + 8, begin : begin + BAR] = 255
    return image


def write(
    target: Path,
    container: str = "mp4",
    codec: str = "libx264",
    *,
    num_frames: int = 48,
    fps: int | Fraction = 24,
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    times: Iterable[Fraction] | None = None,
    images: Iterable[np.ndarray] | None = None,
    **attributes: Any,
) -> None:
    """Writes the scene at `fps`, or at the `times` in seconds, which rise; `attributes` are those of the codec."""
    images = images if images is None else list(images)
    num_frames = num_frames if images is None else len(images)
    times = [Fraction(number, 1) / fps for number in range(num_frames)] if times is None else list(times)
    images = [scene(number / len(times)) for number in range(len(times))] if images is None else images
    with av.open(target, "w", format=container, options=dict(container_options or {})) as output:
        stream: Any = output.add_stream(codec, rate=fps, options={"threads": "1", **(options or {})})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixel_format
        for name, value in attributes.items():
            setattr(stream.codec_context, name, value)
        if attributes.get("time_base") is None:
            stream.codec_context.time_base = 1 / Fraction(fps)
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(image), format="rgba" if image.shape[2] == 4 else "rgb24"
            )
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time / frame.time_base)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def written(container: str = "mp4", codec: str = "libx264", **settings: Any) -> bytes:
    """The bytes of a file of the scene."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "video"
        write(target, container, codec, **settings)
        return target.read_bytes()


def read(data: bytes, fps: int | Fraction = 8, **settings: Any) -> tuple[VideoDescription, np.ndarray, int]:
    """The description, the frames [F, H, W, 3] at `fps`, and the number of lost ones."""
    with open_reader(BytesIO(data)) as reader:
        frames = np.stack(list(reader.frames(fps, **settings)))
        return reader.description, frames, reader.num_lost


def bars(frames: np.ndarray) -> np.ndarray:
    """The place of the bar in each frame, from 0 to 1."""
    height, width = frames.shape[1:3]
    rows = frames[:, height // 2 - 2 : height // 2 + 2].min(-1).mean(1)
    is_bar = rows > 128
    return np.asarray(is_bar.argmax(1) / (width - np.median(is_bar.sum(1))))


def quadrants(frame: np.ndarray) -> np.ndarray:
    """The mean colours [4, 3] of the quadrants of a frame."""
    height, width = frame.shape[:2]
    spots = [(y, x) for y in (height // 6, height * 4 // 6) for x in (width // 6, width * 4 // 6)]
    return np.array([frame[y : y + height // 6, x : x + width // 6].mean((0, 1)) for y, x in spots])
