"""Reads the header of an MP4 without decoding, to refuse most unusable files early.

The boxes are those of ISO/IEC 14496-12: moov/trak/mdia and, inside, stsd and stsz. The decoder makes the final check.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

MAX_BOXES = 1000  # on one level; real files have some tens
RATES = (1, 240)  # frames per second that are accepted
ROTATIONS = {(1, 0, 0, 1): 0, (0, 1, -1, 0): 1, (-1, 0, 0, -1): 2, (0, -1, 1, 0): 3}  # clockwise

Span = tuple[int, int]


class InvalidMp4(ValueError):
    """The bytes are not a usable MP4; the message says what would work."""


@dataclass(frozen=True)
class Mp4Header:
    """The first video track: `width` and `height` in pixels as stored; it is displayed `quarter_turns` clockwise."""

    num_frames: int
    fps: Fraction
    width: int
    height: int
    quarter_turns: int

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height as displayed."""
        return (self.height, self.width) if self.quarter_turns % 2 else (self.width, self.height)


def read_mp4_header(data: bytes) -> Mp4Header:
    """Parses the header of the MP4 in `data`. Raises InvalidMp4 for anything else."""
    if data[4:8] != b"ftyp":
        raise InvalidMp4(
            "must be an MP4, and these bytes are not; ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p OUT.mp4 writes one"
        )
    try:
        return _read(data)
    except (struct.error, KeyError, IndexError) as error:
        raise InvalidMp4("is a damaged MP4: its header is invalid; export it again") from error


def _read(data: bytes) -> Mp4Header:
    moov = dict(_boxes(data, (0, len(data)), whole=True)).get(b"moov")
    if moov is None:
        raise InvalidMp4("has no header: it was cut off or never finished; export it again")
    tracks = [span for name, span in _boxes(data, moov) if name == b"trak"]
    for track in tracks:
        if _handler(data, track) == b"vide":
            return _video(data, track)
    raise InvalidMp4("has no video track; send a video")


def _video(data: bytes, track: Span) -> Mp4Header:
    samples = dict(_boxes(data, _inside(data, track, b"mdia", b"minf", b"stbl")))
    begin, _ = samples[b"stsz"] if b"stsz" in samples else samples[b"stz2"]
    (num_frames,) = struct.unpack_from(">I", data, begin + 8)
    if num_frames == 0:
        raise InvalidMp4("is in fragments, or empty; ffmpeg -i FILE -c copy OUT.mp4 joins the fragments")
    begin, _ = samples[b"stsd"]
    width, height = struct.unpack_from(">HH", data, begin + 8 + 8 + 24)  # count, then the box of the first entry
    if not (width and height):
        raise InvalidMp4("has a width or height of 0 pixels; export it again")
    return Mp4Header(num_frames, _rate(data, track, num_frames), width, height, _rotation(data, track))


def _rate(data: bytes, track: Span, num_frames: int) -> Fraction:
    begin, _ = _inside(data, track, b"mdia", b"mdhd")
    place, form = (begin + 20, ">IQ") if data[begin] == 1 else (begin + 12, ">II")
    ticks_per_s, duration = struct.unpack_from(form, data, place)
    rate = Fraction(num_frames * ticks_per_s, duration) if duration else Fraction(0)
    if not RATES[0] <= rate <= RATES[1]:
        limits = f"between {RATES[0]} and {RATES[1]}"
        raise InvalidMp4(f"has {float(rate):g} frames per second; it must be {limits}")
    return rate


def _rotation(data: bytes, track: Span) -> int:
    """Reads the rotation of the display matrix; phones store frames in the orientation of the sensor."""
    begin, _ = _inside(data, track, b"tkhd")
    a, b, _, c, d = struct.unpack_from(">iiiii", data, begin + (52 if data[begin] == 1 else 40))
    turn = tuple((value > 0) - (value < 0) for value in (a, b, c, d))
    if turn not in ROTATIONS:
        raise InvalidMp4("is mirrored, or rotated by no multiple of 90 degrees; send it upright")
    return ROTATIONS[turn]


def _handler(data: bytes, track: Span) -> bytes:
    begin, _ = _inside(data, track, b"mdia", b"hdlr")
    return data[begin + 8 : begin + 12]


def _inside(data: bytes, span: Span, *path: bytes) -> Span:
    for name in path:
        span = dict(_boxes(data, span))[name]
    return span


def _boxes(data: bytes, span: Span, *, whole: bool = False) -> Iterator[tuple[bytes, Span]]:
    """Yields name and content of each box in `span`; with `whole`, a box beyond its end means a cut off file."""
    place, end = span
    for _ in range(MAX_BOXES):
        if place + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        size = size or end - place
        if size < head or place + size > end:
            reason = "is cut off" if whole and size >= head else "is a damaged MP4"
            raise InvalidMp4(f"{reason}; send the complete file")
        yield name, (place + head, place + size)
        place += size
    raise InvalidMp4("is a damaged MP4: its header is invalid; export it again")
