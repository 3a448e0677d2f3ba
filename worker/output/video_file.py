"""Checks the file of a run: an MP4 that decodes to the requested frames, or a PNG of the requested size."""

from fractions import Fraction
from pathlib import Path

from PIL import Image

from easyanimate.files.video_file import probe
from jobs.model.request import VideoRequest
from worker.protocol.errors import BrokenVideo


def check_video(path: Path, request: VideoRequest, num_frames: int) -> None:
    """Decodes the whole file; `num_frames` were written. Raises BrokenVideo if it is not the requested video."""
    if request.num_frames > 1:
        info = probe(path)
        content = (info.num_frames, info.width, info.height, info.fps)
    else:
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
        content = (num_frames, *image.size, Fraction(request.fps))
    expected = (request.num_frames, request.width, request.height, Fraction(request.fps))
    if content != expected:
        raise BrokenVideo(f"the file holds {content}, not {expected}")
