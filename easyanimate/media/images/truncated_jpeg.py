"""JPEG files that end too early: what of the image is there, and how much is missing.

Viewers show such a file; the decoder fills the missing part with grey. A photo that lacks little is usable.
"""

from io import BytesIO

import numpy as np
from PIL import Image

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.warning_texts import JPEG_CUT_OFF, JPEG_ROWS_MISSING

MAX_MISSING_SHARE = 0.1  # of the rows
END = b"\xff\xd9"
FILLED = (127, 128)  # the grey of a missing part; Pillow inverts it in CMYK
START_OF_FRAME, START_OF_SCAN = 0xC2, 0xDA  # of a progressive file
WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
LAST_COEFFICIENT = 63


def complete_jpeg(data: bytes) -> tuple[Image.Image, str]:
    """The loaded image of a JPEG file that was cut off, and a warning. Raises UnsupportedMedia if it lacks too much."""
    if not has_all_scans(data):
        raise UnsupportedMedia("is cut off: it has only a coarse version of the image; send a whole file")
    image = Image.open(BytesIO(data + END), formats=["JPEG"])
    image.load()
    missing = missing_rows(image)
    if missing > MAX_MISSING_SHARE * image.height:
        raise UnsupportedMedia(f"is cut off: {missing} of its {image.height} rows are missing; send a whole file")
    return image, JPEG_ROWS_MISSING.fill(missing=missing, rows=image.height) if missing else JPEG_CUT_OFF.fill()


def missing_rows(image: Image.Image) -> int:
    """The number of rows at the end that the decoder had to fill."""
    pixels = np.asarray(image).reshape(image.height, -1)
    filled = (pixels.min(1) >= FILLED[0]) & (pixels.max(1) <= FILLED[1])
    return image.height if filled.all() else int(filled[::-1].argmin())


def has_all_scans(data: bytes) -> bool:
    """Whether each coefficient of a progressive file has reached its final precision in some scan; else True."""
    unfinished: set[tuple[int, int]] | None = None
    for marker, content in _segments(data):
        if marker == START_OF_FRAME and len(content) > 5:
            components = [content[i] for i in range(6, len(content), 3)]
            unfinished = {(component, k) for component in components for k in (0, LAST_COEFFICIENT)}
        if marker == START_OF_SCAN and unfinished is not None and content:
            count = content[0]
            if len(content) < 4 + 2 * count:
                break
            first, last, precision = content[1 + 2 * count : 4 + 2 * count]
            if precision & 15 == 0:
                unfinished -= {(content[1 + 2 * i], k) for i in range(count) for k in (first, last)}
    return not unfinished


def _segments(data: bytes) -> list[tuple[int, bytes]]:
    """The markers of a file with their contents."""
    segments, place = [], 2
    while (place := data.find(b"\xff", place)) >= 0 and place + 4 <= len(data):
        marker = data[place + 1]
        place += 2
        if marker in (0x00, 0xFF) or marker in WITHOUT_LENGTH:
            place -= marker == 0xFF
            continue
        size = int.from_bytes(data[place : place + 2], "big")
        segments.append((marker, data[place + 2 : place + size]))
        place += size
    return segments
