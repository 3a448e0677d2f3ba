"""The file a run makes: an MP4 written frame by frame, or a PNG of the only one; looked at once it is there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from easyanimate.video_file import Mp4Writer, probe
from jobs.request import VideoRequest
from worker.failures import BrokenVideo

Write = Callable[[Any], None]


@contextmanager
def result_file(path: Path, asked: VideoRequest, comment: str) -> Iterator[Write]:
    """Yields what takes frames [F, H, W, 3] of uint8; the file is there, whole, when the block ends well.

    Raises BrokenVideo if it is not what was asked for.
    """
    if asked.num_frames == 1:
        frames: list[np.ndarray] = []
        yield lambda piece: frames.extend(np.asarray(piece))
        _save_png(path, frames, comment)
        _check_png(path, asked)
        return
    with Mp4Writer(path, width=asked.width, height=asked.height, fps=asked.fps, comment=comment) as video:
        yield video.write
    _check_mp4(path, asked)


def _save_png(path: Path, frames: list[np.ndarray], comment: str) -> None:
    if len(frames) != 1:
        raise BrokenVideo(f"there are {len(frames)} frames, and one was asked for")
    notes = PngInfo()
    notes.add_itxt("Comment", comment)
    Image.fromarray(frames[0]).save(path, "PNG", pnginfo=notes)


def _check_png(path: Path, asked: VideoRequest) -> None:
    with Image.open(path, formats=["PNG"]) as image:
        image.load()
        if image.size != (asked.width, asked.height):
            raise BrokenVideo(f"the file holds {image.size}, not {asked.size}")


def _check_mp4(path: Path, asked: VideoRequest) -> None:
    """Decode the whole file: what is stored must play."""
    found = probe(path)
    wanted = (asked.num_frames, asked.width, asked.height, Fraction(asked.fps))
    if (found.num_frames, found.width, found.height, found.fps) != wanted:
        raise BrokenVideo(f"the file holds {found}, not {wanted}")
