"""Checks the header of a video before it is accepted; no frame is decoded."""

from jobs.errors import InvalidRequest
from jobs.mp4_header import InvalidMp4, Mp4Header, read_mp4_header

MAX_PIXELS = 4096 * 2304  # of a frame
MAX_SECONDS = 600


def read_video_header(data: bytes, param: str) -> Mp4Header:
    """The header of an MP4, within the limits. Raises InvalidRequest `unsupported_video`."""
    try:
        header = read_mp4_header(data)
    except InvalidMp4 as error:
        raise video_refused(param, str(error)) from error
    if header.width * header.height > MAX_PIXELS:
        size = f"{header.width}x{header.height}"
        why = f"is {size}; at most {MAX_PIXELS} pixels per frame are accepted, so send a smaller one"
        raise video_refused(param, why)
    seconds = float(header.num_frames / header.fps)
    if seconds > MAX_SECONDS:
        raise video_refused(param, f"plays for {seconds:g} s; at most {MAX_SECONDS} are accepted, so send a part of it")
    return header


def video_refused(param: str, why: str) -> InvalidRequest:
    """The error for a refused video."""
    return InvalidRequest(f"{param} {why}", param, "unsupported_video")
