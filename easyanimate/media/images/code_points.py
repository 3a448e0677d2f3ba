"""Colour code points (ITU-T H.273), which Pillow does not read: `cICP` of PNG, `colr` of HEIC and AVIF."""

import struct
from collections.abc import Iterator

from easyanimate.media.formats import AVIF, HEIC, PNG, FileFormat

CodePoints = tuple[int, int]  # primaries, transfer
MAX_PARTS = 1000  # of a file; real ones have some tens
ITEM_PROPERTIES = (b"meta", b"iprp", b"ipco")
FULL_BOX = {b"meta": 4}  # bytes of version and flags before the boxes inside


def color_code_points(data: bytes, file_format: FileFormat) -> CodePoints | None:
    """Primaries and transfer that a file names, or None; damaged parts are not used."""
    try:
        if file_format is PNG:
            return _of_png(data)
        return _of_boxes(data) if file_format in (HEIC, AVIF) else None
    except (struct.error, IndexError):
        return None


def _of_png(data: bytes) -> CodePoints | None:
    place = 8
    for _ in range(MAX_PARTS):
        size, name = struct.unpack_from(">I4s", data, place)
        if name == b"cICP":
            return data[place + 8], data[place + 9]
        if name == b"IDAT":
            break
        place += 12 + size
    return None


def _of_boxes(data: bytes) -> CodePoints | None:
    """The first `colr` of the kind `nclx` among the properties of the items (ISO/IEC 23008-12)."""
    begin, end = 0, len(data)
    for wanted in ITEM_PROPERTIES:
        for name, start, stop in _boxes(data, begin, end):
            if name == wanted:
                begin, end = start + FULL_BOX.get(name, 0), stop
                break
        else:
            return None
    for name, start, _ in _boxes(data, begin, end):
        if name == b"colr" and data[start : start + 4] == b"nclx":
            primaries, transfer = struct.unpack_from(">HH", data, start + 4)
            return primaries, transfer
    return None


def _boxes(data: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box."""
    for _ in range(MAX_PARTS):
        if place + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, place)
        size = size or end - place
        if size < 8:
            return
        yield name, place + 8, min(place + size, end)
        place += size
