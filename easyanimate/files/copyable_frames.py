"""Finds the frames of a video that its extension can copy as they are stored, so that they lose nothing.

Copied and new frames share one header, so that only videos of the same encoder, with the same settings, qualify.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from easyanimate.files.mp4_join import StoredFrames
from easyanimate.files.video_writer import H264_OPTIONS, h264_stream, yuv_frame
from easyanimate.warning_texts import FRAMES_ENCODED_AGAIN


class NotCopyableError(Exception):
    """The frames of a video must be encoded again; the message says why."""


def find_copyable_frames(
    path: Path, *, width: int, height: int, fps: Fraction, overlap: int, num_frames: int | None = None
) -> tuple[StoredFrames | None, tuple[str, ...]]:
    """The stored frames of the video at `path` for an extension of this size and rate, and warnings.

    The last `overlap` frames change and are never copied. With `num_frames` the video must have exactly so many frames.
    Without copyable frames there is a warning with the reason.
    """
    try:
        return _find(path, (height, width), fps, overlap, num_frames), ()
    except NotCopyableError as error:
        reason = str(error)
    except av.error.FFmpegError:
        reason = "they are damaged"
    return None, (FRAMES_ENCODED_AGAIN.fill(reason=reason),)


def _find(path: Path, size: tuple[int, int], fps: Fraction, overlap: int, num_frames: int | None) -> StoredFrames:
    with _open(path) as (container, stream):
        _check_stream(stream, size, fps)
        order, keyframes = _stored_order(container, fps)
    if num_frames not in (None, len(order)):
        raise NotCopyableError("a player shows only some of them")
    count = _last_cut(order, keyframes, len(order) - overlap)
    _check_decoding(path, count)
    return StoredFrames(path, count)


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    """The file and its only video stream."""
    try:
        container = av.open(str(path), format="mov", options={"codec_whitelist": "h264"})
    except av.error.FFmpegError as error:
        raise NotCopyableError("they are not H.264 in an MP4") from error
    with container:
        if len(container.streams.video) != 1:
            raise NotCopyableError("the file has several video tracks, or a picture beside the video")
        if container.streams.video[0].codec_context is None:
            raise NotCopyableError("they are not H.264 in an MP4")
        yield container, container.streams.video[0]


def _check_stream(stream: Any, size: tuple[int, int], fps: Fraction) -> None:
    if (stream.height, stream.width) != size:
        raise NotCopyableError("their size is another one")
    if stream.sample_aspect_ratio not in (None, 0, 1):
        raise NotCopyableError("their pixels are not square")
    if stream.codec_context.extradata != _encoder_header(size, fps):
        is_other_rate = stream.average_rate != fps
        other_encoder = "another encoder, or one with other settings, wrote them"
        raise NotCopyableError("their rate is another one" if is_other_rate else other_encoder)


@cache
def _encoder_header(size: tuple[int, int], fps: Fraction) -> bytes | None:
    """The header of H.264 streams that this encoder writes, as stored in an MP4."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = h264_stream(container, size, fps, H264_OPTIONS)
        frame = yuv_frame(np.zeros((*size, 3), np.uint8))
        frame.pts, frame.time_base = 0, 1 / fps
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        header: bytes | None = container.streams.video[0].codec_context.extradata
        return header


def _stored_order(container: Any, fps: Fraction) -> tuple[list[int], list[bool]]:
    """For each stored frame its number in the order of showing, and whether it is a keyframe."""
    order, keyframes = [], []
    for packet in container.demux(video=0):
        if packet.dts is None:  # marks the end
            continue
        number = None if packet.pts is None else packet.pts * packet.time_base * fps
        if number is None or number.denominator != 1 or packet.is_discard or packet.is_corrupt:
            raise NotCopyableError("they are not evenly spaced from the start on, or some are not shown")
        order.append(int(number))
        keyframes.append(bool(packet.is_keyframe))
    if sorted(order) != list(range(len(order))):
        raise NotCopyableError("they are not evenly spaced from the start on, or some are not shown")
    return order, keyframes


def _last_cut(order: list[int], keyframes: list[bool], most: int) -> int:
    """The largest number of frames, up to `most`, that can be cut off at the front of the stored frames.

    They are the first ones in both orders. The last one is no keyframe, because two keyframes in a row can have equal
    numbers in H.264.
    """
    count, latest = 0, -1
    for stored, shown in enumerate(order[: max(most, 0)]):
        latest = max(latest, shown)
        if latest == stored and not keyframes[stored]:
            count = stored + 1
    if count == 0:
        raise NotCopyableError("none can be cut off at the front")
    return count


def _check_decoding(path: Path, count: int) -> None:
    """Decodes the frames that are copied."""
    with _open(path) as (container, stream):
        stream.thread_type = "AUTO"  # all cores
        decoded = 0
        for frame in islice(container.decode(video=0), count):
            if frame.is_corrupt or frame.side_data.get(SideDataType.DISPLAYMATRIX) is not None:
                raise NotCopyableError("they are damaged, or shown rotated")
            decoded += 1
    if decoded < count:
        raise NotCopyableError("they are damaged")
