"""Joins stored frames of MP4 files to one MP4 that plays while it loads. Nothing is encoded again.

The frames follow each other in exact steps, also in the header. The media duration is written here: that of FFmpeg 8 is
too long when the third stored frame is the second one shown.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import av

MIN_TICKS_PER_S = 10_000  # of the clock of a file
MEDIA_HEADER = (b"moov", b"trak", b"mdia", b"mdhd")  # boxes of ISO/IEC 14496-12


@dataclass(frozen=True)
class StoredFrames:
    """The first `num_frames` frames of the MP4 at `path`, both in the order of storing and of showing."""

    path: Path
    num_frames: int


def join_mp4(path: Path, parts: Sequence[StoredFrames], fps: Fraction, comment: str | None = None) -> None:
    """Writes the frames of `parts`, shown one after the other at `fps` frames per second, to the MP4 at `path`.

    All parts have the same codec, size and headers. `comment` is text for the metadata.
    """
    ticks_per_s = _ticks_per_s(fps)
    clock = {"video_track_timescale": str(ticks_per_s), "movie_timescale": str(ticks_per_s)}
    with ExitStack() as stack:
        sources = [stack.enter_context(av.open(str(part.path), format="mov")) for part in parts]
        options = {"movflags": "+faststart", **clock}
        target = stack.enter_context(av.open(str(path), "w", format="mp4", options=options))
        if comment is not None:
            target.metadata["comment"] = comment
        target.add_stream_from_template(sources[0].streams.video[0])
        for packet in _joined_packets(sources, parts, fps):
            packet.stream = target.streams.video[0]
            target.mux(packet)
    num_frames = sum(part.num_frames for part in parts)
    _set_media_duration(path, num_frames * int(ticks_per_s / fps))


def _ticks_per_s(fps: Fraction) -> int:
    """A clock in which each frame lasts a whole number of ticks."""
    ticks = fps.numerator
    while ticks < MIN_TICKS_PER_S:
        ticks *= 2
    return ticks


def _joined_packets(sources: Sequence[Any], parts: Sequence[StoredFrames], fps: Fraction) -> Iterator[Any]:
    """The packets of all parts, on one clock that counts frames."""
    delay = sources[0].streams.video[0].codec_context.reorder_depth  # frames that are decoded before the first is shown
    first = 0
    for source, part in zip(sources, parts, strict=True):
        packets = (packet for packet in source.demux(video=0) if packet.pts is not None)
        for stored, packet in enumerate(islice(packets, part.num_frames)):
            shown = round(packet.pts * packet.time_base * fps)
            packet.time_base, packet.duration = 1 / fps, 1
            packet.pts, packet.dts = first + shown, first + stored - delay
            yield packet
        first += part.num_frames


def _set_media_duration(path: Path, ticks: int) -> None:
    with path.open("r+b") as file:
        begin, end = 0, path.stat().st_size
        for name in MEDIA_HEADER:
            begin, end = _find_box(file, name, begin, end)
        file.seek(begin)
        is_long = file.read(1)[0] == 1
        file.seek(begin + (24 if is_long else 16))  # after the times of creation and change, and the clock
        file.write(struct.pack(">Q" if is_long else ">I", ticks))


def _find_box(file: BinaryIO, name: bytes, begin: int, end: int) -> tuple[int, int]:
    """Begin and end of the content of the first box of this name in a span of the file."""
    while begin < end:
        file.seek(begin)
        size, box, long_size = struct.unpack(">I4sQ", file.read(16))
        head = 16 if size == 1 else 8
        size = long_size if size == 1 else size
        if box == name:
            return begin + head, begin + size
        begin += size
    raise ValueError(f"the file has no box {name!r}")
