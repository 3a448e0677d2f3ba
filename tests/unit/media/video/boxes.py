"""Changes the boxes of an MP4 whose header is behind its frames, so that no offset changes."""

import struct
from collections.abc import Sequence
from fractions import Fraction

MATRICES = {0: (1, 0, 0, 1), 1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}  # by quarter turns clockwise


def box(name: bytes, content: bytes) -> bytes:
    """The bytes of a box with this name and content."""
    return struct.pack(">I4s", len(content) + 8, name) + content


def content(data: bytes, *path: bytes) -> bytes:
    """The content of the first box at `path`. Raises KeyError."""
    for name in path:
        data = dict(reversed(split(data)))[name]
    return data


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and content of each box."""
    place, boxes = 0, []
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        boxes.append((name, data[place + 8 : place + size]))
        place += size
    return boxes


def replaced(data: bytes, path: Sequence[bytes], new: bytes | None) -> bytes:
    """The boxes with the content of the first one at `path` replaced, or added; without it, if `new` is None."""
    result, is_replaced = [], False
    for name, inside in split(data):
        if name == path[0] and not is_replaced:
            is_replaced = True
            inside = replaced(inside, path[1:], new) if len(path) > 1 else new
        if inside is not None:
            result.append(box(name, inside))
    if not is_replaced and new is not None:
        added = box(path[-1], new)
        for name in reversed(path[:-1]):
            added = box(name, added)
        result.append(added)
    return b"".join(result)


def with_edits(data: bytes, edits: Sequence[tuple[int, int, Fraction | int]]) -> bytes:
    """With an edit list: for each edit its duration in ticks of the movie, its media time, and its rate."""
    entries = [struct.pack(">Iii", length, start, round(rate * 2**16)) for length, start, rate in edits]
    table = struct.pack(">II", 0, len(entries)) + b"".join(entries)
    return replaced(data, [b"moov", b"trak", b"edts"], box(b"elst", table) if edits else None)


def with_matrix(data: bytes, matrix: Sequence[float], *, of_movie: bool = False) -> bytes:
    """With the display matrix (a, b, c, d) of the track or the movie."""
    path = [b"moov", b"mvhd"] if of_movie else [b"moov", b"trak", b"tkhd"]
    header, place = bytearray(content(data, *path)), 36 if of_movie else 40
    a, b, c, d = (round(value * 2**16) for value in matrix)
    struct.pack_into(">9i", header, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return replaced(data, path, bytes(header))


def with_track_flags(data: bytes, *flags: int) -> bytes:
    """With the flags of each track in turn; 1 is enabled."""
    result, place = bytearray(data), data.index(b"moov")
    for value in flags:
        place = data.index(b"tkhd", place) + 4
        result[place + 1 : place + 4] = value.to_bytes(3)
    return bytes(result)


def with_media_duration(data: bytes, duration: int) -> bytes:
    """With another duration in mdhd, in ticks of the track."""
    path = [b"moov", b"trak", b"mdia", b"mdhd"]
    header = bytearray(content(data, *path))
    struct.pack_into(">I", header, 16, duration)
    return replaced(data, path, bytes(header))
