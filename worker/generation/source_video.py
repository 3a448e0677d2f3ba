"""Decodes the source video of a request: upright, in the request's size and frame rate.

The service reads only the header. A broken video is therefore refused here.
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

MIN_DECODED_SHARE = 0.9  # of the frames in the header; players accept as few


def source_frames(path: Path, request: VideoRequest) -> Iterator[np.ndarray]:
    """Exactly `request.video_num_frames` frames [H, W, 3], uint8 RGB, evenly spaced. Raises RequestRefused."""
    try:
        header = read_mp4_header(path.read_bytes())
    except InvalidMp4 as error:
        raise RequestRefused("invalid_video", f"The video {error}") from error
    wanted, yielded, decoded = request.video_num_frames, 0, 0
    frame: Any = None
    for frame in _decoded(path):
        decoded += 1
        fitted: Any = None
        while yielded < wanted and yielded * header.num_frames // wanted < decoded:
            fitted = _fit(frame, header.quarter_turns, request) if fitted is None else fitted
            yield fitted
            yielded += 1
    if decoded < MIN_DECODED_SHARE * header.num_frames:
        message = f"Only {decoded} of the video's {header.num_frames} frames can be decoded"
        raise RequestRefused("invalid_video", message)
    for _ in range(wanted - yielded):
        yield _fit(frame, header.quarter_turns, request)


def _decoded(path: Path) -> Iterator[np.ndarray]:
    try:
        yield from read_frames(path)
    except InvalidInput as error:
        raise RequestRefused("invalid_video", str(error).replace(str(path), "The video")) from error


def _fit(frame: np.ndarray, quarter_turns: int, request: VideoRequest) -> np.ndarray:
    """The frame turned clockwise and stretched to the size of the request."""
    image = Image.fromarray(np.rot90(frame, -quarter_turns))
    if image.size != (request.width, request.height):
        image = image.resize((request.width, request.height), Image.Resampling.BICUBIC)
    return np.asarray(image)
