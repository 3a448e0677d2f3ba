"""The video that came with a request, as the model takes it: upright, in the request's size and at its rate.

Its header was looked at when it came in; here it is decoded for the first time, so here it is found out to be broken.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.files.video_file import read_frames
from jobs.model.request import VideoRequest
from jobs.mp4_header import InvalidMp4, read_mp4_header
from worker.protocol.errors import RequestRefused

ENOUGH = 0.9  # of the frames its header promises; players forgive as much


def source_frames(path: Path, asked: VideoRequest) -> Iterator[np.ndarray]:
    """Exactly `asked.video_num_frames` frames [H, W, 3], uint8 RGB, evenly over the video. Raises Refused."""
    try:
        header = read_mp4_header(path.read_bytes())
    except InvalidMp4 as error:
        raise RequestRefused("invalid_video", f"The video {error}") from error
    wanted, made, seen = asked.video_num_frames, 0, 0
    frame: Any = None
    for frame in _decoded(path):
        seen += 1
        shown: Any = None
        while made < wanted and made * header.num_frames // wanted < seen:
            shown = _fit(frame, header.quarter_turns, asked) if shown is None else shown
            yield shown
            made += 1
    if seen < ENOUGH * header.num_frames:
        raise RequestRefused("invalid_video", f"Only {seen} of the video's {header.num_frames} frames can be decoded")
    for _ in range(wanted - made):
        yield _fit(frame, header.quarter_turns, asked)


def _decoded(path: Path) -> Iterator[np.ndarray]:
    try:
        yield from read_frames(path)
    except InvalidInput as error:
        raise RequestRefused("invalid_video", str(error).replace(str(path), "The video")) from error


def _fit(frame: np.ndarray, quarter_turns: int, asked: VideoRequest) -> np.ndarray:
    """Turned clockwise, and stretched to the request's size."""
    picture = Image.fromarray(np.rot90(frame, -quarter_turns))
    if picture.size != (asked.width, asked.height):
        picture = picture.resize((asked.width, asked.height), Image.Resampling.BICUBIC)
    return np.asarray(picture)
