"""A reader of MP4 headers for tests, apart from FFmpeg: durations and sample tables by ISO/IEC 14496-12."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}


@dataclass(frozen=True)
class Header:
    """Durations in seconds by the boxes that state them, and the times in seconds at which samples are shown."""

    movie: Fraction  # mvhd
    track: Fraction  # tkhd
    media: Fraction  # mdhd
    edits: Fraction  # elst
    samples: Fraction  # stts
    shown_at: tuple[Fraction, ...]  # stts, ctts and elst, in the order of showing


def read_header(path: Path) -> Header:
    """The header of an MP4 with one track, one edit and boxes of version 0."""
    boxes = dict(_boxes(path.read_bytes()))
    movie_clock, movie = struct.unpack_from(">II", boxes[b"mvhd"], 12)
    media_clock, media = struct.unpack_from(">II", boxes[b"mdhd"], 12)
    (track,) = struct.unpack_from(">I", boxes[b"tkhd"], 20)
    count, edit, media_start, rate = struct.unpack_from(">IIiI", boxes[b"elst"], 4)
    assert (count, rate) == (1, 1 << 16)
    deltas, offsets = _runs(boxes[b"stts"]), _runs(boxes[b"ctts"])
    decoded_at = np.cumsum(deltas) - deltas
    return Header(
        movie=Fraction(movie, movie_clock),
        track=Fraction(track, movie_clock),
        media=Fraction(media, media_clock),
        edits=Fraction(edit, movie_clock),
        samples=Fraction(int(deltas.sum()), media_clock),
        shown_at=tuple(Fraction(int(t) - media_start, media_clock) for t in sorted(decoded_at + offsets)),
    )


def box_names(path: Path) -> list[str]:
    """The boxes of a file, from front to back."""
    return [name.decode("latin-1") for name, _ in _boxes(path.read_bytes())]


def _boxes(data: bytes) -> Any:
    place = 0
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        yield name, data[place + 8 : place + size]
        if name in CONTAINERS:
            yield from _boxes(data[place + 8 : place + size])
        place += size


def _runs(table: bytes) -> np.ndarray:
    (count,) = struct.unpack_from(">I", table, 4)
    pairs = np.frombuffer(table, ">u4", 2 * count, 8).reshape(count, 2).astype(np.int64)
    return np.repeat(pairs[:, 1], pairs[:, 0])
