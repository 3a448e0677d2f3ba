"""PNG files with text in them, and the text in PNG and MP4 files."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from easyanimate.errors import InvalidInput


def save_png(image: Image.Image, path: str | Path, comment: str) -> None:
    """Writes `image` with `comment` in it."""
    text = PngInfo()
    text.add_itxt("comment", comment)
    image.save(path, pnginfo=text)


class PngWriter:
    """One frame in a PNG, as a context manager: the file appears if the block succeeds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.comment = ""
        self._frames: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def write(self, frames: Any) -> None:
        """Adds `frames` [F, H, W, 3], uint8 RGB, an array or a tensor on the CPU; the first one is saved."""
        self._frames.extend(np.asarray(frames))

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            save_png(Image.fromarray(self._frames[0]), self.path, self.comment)


def read_comment(path: str | Path) -> str | None:
    """The comment of the MP4 or PNG at `path`, if any. InvalidInput if it is neither."""
    path = Path(path)
    read = _png_comment if path.suffix == ".png" else _mp4_comment
    return read(path)


def _png_comment(path: Path) -> str | None:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text: Any = image.info
            return text.get("comment")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as problem:
        raise InvalidInput(f"{path} is not an image that can be read: {problem}") from problem


def _mp4_comment(path: Path) -> str | None:
    try:
        with av.open(str(path)) as container:
            return container.metadata.get("comment")
    except (av.error.FFmpegError, OSError) as problem:
        raise InvalidInput(f"{path} is not a video that can be read: {problem.strerror}") from problem
