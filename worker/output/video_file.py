"""The file a run makes: an MP4 written frame by frame, or a PNG of the only one; sealed with its story, and checked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from easyanimate.files.file_comment import save_png, set_mp4_comment
from easyanimate.files.video_file import Mp4Writer, probe
from jobs.model.request import VideoRequest
from worker.protocol.errors import BrokenVideo

Write = Callable[[Any], None]


@contextmanager
def result_file(path: Path, asked: VideoRequest) -> Iterator[Write]:
    """Yields what takes frames [F, H, W, 3] of uint8; the file is there, whole, when the block ends well."""
    if asked.num_frames > 1:
        with Mp4Writer(path, width=asked.width, height=asked.height, fps=asked.fps) as video:
            yield video.write
        return
    frames: list[np.ndarray] = []
    yield lambda piece: frames.extend(np.asarray(piece))
    if len(frames) != 1:
        raise BrokenVideo(f"there are {len(frames)} frames, and one was asked for")
    Image.fromarray(frames[0]).save(path, "PNG")


def finalize(path: Path, asked: VideoRequest, comment: str) -> None:
    """Write `comment` into the file, and look at all of it. Raises BrokenVideo if it is not what was asked for."""
    if asked.num_frames > 1:
        set_mp4_comment(path, comment)
        _check_mp4(path, asked)
        return
    with Image.open(path, formats=["PNG"]) as image:
        image.load()
    if image.size != (asked.width, asked.height):
        raise BrokenVideo(f"the file holds {image.size}, not {asked.size}")
    save_png(image, path, comment)


def _check_mp4(path: Path, asked: VideoRequest) -> None:
    """Decode the whole file: what is stored must play."""
    found = probe(path)
    wanted = (asked.num_frames, asked.width, asked.height, Fraction(asked.fps))
    if (found.num_frames, found.width, found.height, found.fps) != wanted:
        raise BrokenVideo(f"the file holds {found}, not {wanted}")
