"""A transparent colour of a PNG (tRNS) is white at every depth, and no other colour is."""

import struct
import zlib

import numpy as np
import pytest

from easyanimate.media.images.reading import read_image_bytes, read_mask_bytes

GREY, COLOR = 0, 2


def png(depth: int, kind: int, pixels: bytes, transparent: bytes) -> bytes:
    """A PNG of four pixels in one row."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, depth, kind, 0, 0, 0)) + chunk(b"tRNS", transparent)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" + pixels)) + chunk(b"IEND", b"")


FILES = {
    "grey of 2 bits": (png(2, GREY, bytes([0b00011011]), b"\0\1"), [0, 255, 170, 255]),
    "grey of 4 bits": (png(4, GREY, bytes([0x0F, 0x7A]), b"\0\7"), [0, 255, 255, 170]),
    "grey of 8 bits": (png(8, GREY, bytes([0, 100, 200, 255]), b"\0\x64"), [0, 255, 200, 255]),
    "grey of 16 bits": (
        png(16, GREY, struct.pack(">4H", 0, 25_700, 26_000, 65_535), struct.pack(">H", 25_700)),
        [0, 255, 101, 255],
    ),
    "colour of 8 bits": (png(8, COLOR, bytes([1, 1, 1, 4, 4, 4, 9, 9, 9, 1, 1, 2]), b"\0\1\0\1\0\1"), [255, 4, 9, 1]),
    "colour of 16 bits": (
        png(16, COLOR, struct.pack(">12H", *(3 * [257]), *(3 * [2570]), *(3 * [0]), *(3 * [65_535])), b"\1\1" * 3),
        [255, 10, 0, 255],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_transparent_colour_and_no_other_is_white(name: str) -> None:
    data, red = FILES[name]
    image, _ = read_image_bytes(data, max_pixels=10)
    assert np.asarray(image)[0, :, 0].tolist() == red


def test_the_transparent_colour_of_a_mask_is_a_hole() -> None:
    data = png(4, GREY, bytes([0x01, 0x7A]), b"\0\7")
    mask, _ = read_mask_bytes(data, max_pixels=10)
    assert np.asarray(mask).tolist() == [[0, 0, 255, 0]]
