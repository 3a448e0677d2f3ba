"""Reads the video files of a recipe as a player shows them."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from easyanimate.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

    from easyanimate.media.description import VideoDescription


def describe_source(path: Path) -> "VideoDescription":
    """What the video at `path` shows. Raises InvalidInput."""
    from easyanimate.media.errors import UnsupportedMedia
    from easyanimate.media.video.describe import describe_video

    try:
        with path.open("rb") as file:
            return describe_video(file)
    except UnsupportedMedia as error:
        raise InvalidInput(f"{path} {error}") from error
    except OSError as error:
        raise InvalidInput(f"{path} is not a video that can be read: {error.strerror}") from error


def read_shown_frames(path: Path, fps: Fraction) -> "Iterator[np.ndarray]":
    """The frames [H, W, 3], uint8 RGB, of the video at `path` at `fps`; prints how many cannot be decoded."""
    from easyanimate.media.errors import UnsupportedMedia
    from easyanimate.media.video.reader import open_reader

    try:
        with path.open("rb") as file, open_reader(file) as reader:
            yield from reader.frames(fps)
    except UnsupportedMedia as error:
        raise InvalidInput(f"{path} {error}") from error
    if reader.num_lost:
        typer.echo(f"{path}: {reader.num_lost} of {reader.description.num_frames} frames cannot be decoded", err=True)


def read_first_frames(path: Path, num_frames: int, fps: Fraction) -> "np.ndarray":
    """The first `num_frames` of a video at `fps`, [F, H, W, 3], or all of a shorter one."""
    import numpy as np

    return np.stack(list(islice(read_shown_frames(path, fps), num_frames)))


def read_tail(path: Path, overlap: int, fps: Fraction) -> "np.ndarray":
    """The last `overlap` frames of a video at `fps`, [n, H, W, 3]; no more are held at a time."""
    import numpy as np

    frames = deque(read_shown_frames(path, fps), maxlen=overlap)
    if len(frames) < overlap:
        raise InvalidInput(f"{path} has {len(frames)} of the {overlap} frames of --overlap")
    return np.stack(frames)
