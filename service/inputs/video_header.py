"""The look at a video before it is taken in: its header is read, nothing is decoded.

A file whose frames turn out to be broken is found out by the worker.
"""

from jobs.errors import InvalidRequest
from jobs.mp4_header import InvalidMp4, Mp4Header, read_mp4_header

MAX_PIXELS = 4096 * 2304  # of a frame
MAX_SECONDS = 600


def read_video_header(data: bytes, param: str) -> Mp4Header:
    """The header of an MP4 that can be used. Raises InvalidRequest `unsupported_video`."""
    try:
        header = read_mp4_header(data)
    except InvalidMp4 as error:
        raise video_refused(param, str(error)) from error
    if header.width * header.height > MAX_PIXELS:
        size = f"{header.width}x{header.height}"
        raise video_refused(param, f"is {size}; at most {MAX_PIXELS} pixels a frame work, so send a smaller one")
    seconds = float(header.num_frames / header.fps)
    if seconds > MAX_SECONDS:
        raise video_refused(param, f"plays for {seconds:g} s; at most {MAX_SECONDS} work, so send a part of it")
    return header


def video_refused(param: str, why: str) -> InvalidRequest:
    """The refusal of a video."""
    return InvalidRequest(f"{param} {why}", param, "unsupported_video")
