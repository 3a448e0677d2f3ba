"""The boxes of MP4 and MOV that FFmpeg does not hand on: track flags, display matrix, edit list, sample times.

The boxes are those of ISO/IEC 14496-12. Only `moov` is read, and of its tables only the times of samples.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from easyanimate.media.errors import UnsupportedMedia

MAX_BOXES = 100_000  # at the top level; a fragmented video of an hour has some thousands
MAX_CHILDREN = 1000  # in one box; real files have some tens
MAX_MOOV_BYTES = 64 * 2**20  # 32 bytes for each of 2 million samples
MAX_SAMPLES = 2_000_000  # half an hour at 1000 frames a second
MAX_EDITS = 1000
TRACK_ENABLED = 1
DAMAGED = "has a damaged header; export it again"
AUXILIARY_REFERENCES = (b"auxl", b"vdep", b"vplx", b"thmb")  # to the track that this one is an addition to
IDENTITY = (1, 0, 0, 0, 1, 0, 0, 0, 1)

Span = tuple[int, int]  # of the content of a box


@dataclass(frozen=True)
class RawEdit:
    """An entry of an edit list. `duration` is in ticks of the movie; `media_time` in those of the track, or -1."""

    duration: int
    media_time: int
    rate: Fraction


@dataclass(frozen=True)
class Mp4Track:
    """A track. `matrix` is its display matrix combined with that of the movie; `size` the shown width and height."""

    track_id: int
    handler: bytes
    is_enabled: bool
    is_auxiliary: bool
    matrix: tuple[float, ...]  # 9 values by row
    size: tuple[float, float]
    edits: tuple[RawEdit, ...]
    data: bytes  # of moov
    tables: dict[bytes, Span]  # of samples

    def sample_times(self) -> tuple[np.ndarray, np.ndarray]:
        """When each sample is shown and for how long, int64 [samples] each, in ticks of the track.

        Raises UnsupportedMedia if the tables are missing or damaged.
        """
        try:
            return self._sample_times()
        except (struct.error, ValueError, KeyError) as error:
            raise UnsupportedMedia(DAMAGED) from error

    def _sample_times(self) -> tuple[np.ndarray, np.ndarray]:
        deltas = self._repeated(b"stts", ">u4")
        offsets = self._repeated(b"ctts", ">i4") if b"ctts" in self.tables else np.zeros_like(deltas)
        if len(offsets) < len(deltas):
            offsets = np.pad(offsets, (0, len(deltas) - len(offsets)))
        starts = np.cumsum(deltas) - deltas
        return starts + offsets[: len(deltas)], deltas

    @property
    def num_samples(self) -> int:
        """The number of samples in `moov`; those in fragments are not counted."""
        begin, _ = self.tables[b"stsz"] if b"stsz" in self.tables else self.tables[b"stz2"]
        return int(struct.unpack_from(">I", self.data, begin + 8)[0])

    @property
    def dolby_vision_profile(self) -> int | None:
        """The profile of Dolby Vision, or None for a track without it."""
        begin, end = self.tables.get(b"stsd", (0, 0))
        entries = self.data[begin:end]
        place = max(entries.find(name) for name in (b"dvcC", b"dvvC"))
        return entries[place + 6] >> 1 if 0 <= place < len(entries) - 6 else None

    def _repeated(self, name: bytes, value_type: str) -> np.ndarray:
        """The values of a run-length table, at most as many as there are samples."""
        begin, end = self.tables[name]
        (count,) = struct.unpack_from(">I", self.data, begin + 4)
        count = min(count, (end - begin - 8) // 8)
        pairs = np.frombuffer(self.data, [("count", ">u4"), ("value", value_type)], count, begin + 8)
        counts = pairs["count"].astype(np.int64)
        if counts.sum() > MAX_SAMPLES:
            raise UnsupportedMedia(DAMAGED)
        return np.repeat(pairs["value"].astype(np.int64), counts)[: self.num_samples]


@dataclass(frozen=True)
class Movie:
    """The header of a file. `ticks_per_s` is the clock of edit durations."""

    ticks_per_s: int
    is_fragmented: bool
    tracks: tuple[Mp4Track, ...]

    def track(self, track_id: int) -> Mp4Track:
        """The track with this id. Raises UnsupportedMedia if the header holds none."""
        for track in self.tracks:
            if track.track_id == track_id:
                return track
        raise UnsupportedMedia(DAMAGED)


def read_movie(file: BinaryIO) -> Movie:
    """Reads the header of an MP4 or MOV. Raises UnsupportedMedia if it is missing or damaged."""
    file.seek(0)
    try:
        data, is_fragmented = _read_moov(file)
        boxes = dict(_children(data, (0, len(data))))
        ticks_per_s, matrix = _movie_header(data, boxes[b"mvhd"])
        traks = [span for name, span in _children(data, (0, len(data))) if name == b"trak"]
        tracks = tuple(_track(data, span, matrix) for span in traks)
    except (struct.error, KeyError, IndexError, OverflowError) as error:
        raise UnsupportedMedia(DAMAGED) from error
    return Movie(ticks_per_s, is_fragmented or b"mvex" in boxes, tracks)


def _read_moov(file: BinaryIO) -> tuple[bytes, bool]:
    """The content of the first `moov`, and whether there are fragments."""
    moov, is_fragmented = None, False
    for name, begin, size in _top_level(file):
        is_fragmented |= name == b"moof"
        if name == b"moov" and moov is None:
            if size > MAX_MOOV_BYTES:
                raise UnsupportedMedia("has a header of more than 64 MiB; send a shorter one")
            file.seek(begin)
            moov = file.read(size)
        if moov is not None and is_fragmented:
            break
    if moov is None:
        raise UnsupportedMedia("has no header: it was cut off or never finished; export it again")
    return moov, is_fragmented


def _top_level(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and size of the content of each box of the file; the last one may be cut off."""
    place = 0
    for _ in range(MAX_BOXES):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:
            return
        size, name = struct.unpack_from(">I4s", head)
        skip = 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            skip = 16
        size = size or 2**62
        if size < skip:
            return
        yield name, place + skip, size - skip
        place += size
        if place >= 2**62:
            return


def _track(data: bytes, span: Span, movie_matrix: tuple[float, ...]) -> Mp4Track:
    boxes = dict(_children(data, span))
    media = dict(_children(data, boxes[b"mdia"]))
    tables = dict(_children(data, dict(_children(data, media[b"minf"]))[b"stbl"])) if b"minf" in media else {}
    begin, _ = boxes[b"tkhd"]
    (flags,) = struct.unpack_from(">I", data, begin)
    version, (after_times,) = data[begin], (36 if data[begin] == 1 else 24,)
    (track_id,) = struct.unpack_from(">I", data, begin + (20 if version == 1 else 12))
    matrix = _product(_matrix(data, begin + after_times + 16), movie_matrix)
    width, height = struct.unpack_from(">II", data, begin + after_times + 16 + 36)
    handler = data[media[b"hdlr"][0] + 8 : media[b"hdlr"][0] + 12]
    references = [name for name, _ in _children(data, boxes[b"tref"])] if b"tref" in boxes else []
    return Mp4Track(
        track_id=track_id,
        handler=handler,
        is_enabled=bool(flags & TRACK_ENABLED),
        is_auxiliary=any(name in AUXILIARY_REFERENCES for name in references),
        matrix=matrix,
        size=(width / 2**16, height / 2**16),
        edits=_edits(data, boxes[b"edts"]) if b"edts" in boxes else (),
        data=data,
        tables=tables,
    )


def _movie_header(data: bytes, span: Span) -> tuple[int, tuple[float, ...]]:
    begin, _ = span
    is_long = data[begin] == 1
    (ticks_per_s,) = struct.unpack_from(">I", data, begin + (20 if is_long else 12))
    if ticks_per_s == 0:
        raise UnsupportedMedia(DAMAGED)
    return ticks_per_s, _matrix(data, begin + (48 if is_long else 36))


def _matrix(data: bytes, place: int) -> tuple[float, ...]:
    """A display matrix by row; one of zeros is the identity, as in players."""
    values = struct.unpack_from(">9i", data, place)
    if not any(values[:2] + values[3:5]):
        return IDENTITY
    return tuple(value / (2**30 if index % 3 == 2 else 2**16) for index, value in enumerate(values))


def _product(first: tuple[float, ...], second: tuple[float, ...]) -> tuple[float, ...]:
    rows = (first[i : i + 3] for i in (0, 3, 6))
    columns = [second[i::3] for i in range(3)]
    return tuple(sum(a * b for a, b in zip(row, column, strict=True)) for row in rows for column in columns)


def _edits(data: bytes, span: Span) -> tuple[RawEdit, ...]:
    boxes = dict(_children(data, span))
    if b"elst" not in boxes:
        return ()
    begin, end = boxes[b"elst"]
    entry = struct.Struct(">Qqhh" if data[begin] == 1 else ">Iihh")
    (count,) = struct.unpack_from(">I", data, begin + 4)
    if count > MAX_EDITS or begin + 8 + count * entry.size > end:
        raise UnsupportedMedia("has a damaged edit list; export it again")
    entries = (entry.unpack_from(data, begin + 8 + i * entry.size) for i in range(count))
    return tuple(RawEdit(length, start, rate + Fraction(part % 2**16, 2**16)) for length, start, rate, part in entries)


def _children(data: bytes, span: Span) -> Iterator[tuple[bytes, Span]]:
    """Name and content of each box inside `span`. Raises UnsupportedMedia for a size that does not fit."""
    place, end = span
    for _ in range(MAX_CHILDREN):
        if place + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        size = size or end - place
        if size == 8 and name == b"\0\0\0\0":
            return
        if size < head or place + size > end:
            raise UnsupportedMedia(DAMAGED)
        yield name, (place + head, place + size)
        place += size
    raise UnsupportedMedia(DAMAGED)
