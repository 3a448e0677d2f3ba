"""XMP in PNG, JPEG and WebP files: written without a change of the pixels, and read. In GIF files it is only read."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

from easyanimate.errors import InvalidInput

PNG_SIGNATURE, PNG_KEYWORD = b"\x89PNG\r\n\x1a\n", b"XML:com.adobe.xmp"
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
JPEG_START, APP0, APP1, APP11, SCAN = b"\xff\xd8", 0xE0, 0xE1, 0xEB, 0xDA
MAX_JPEG_SEGMENT = 65_533
XMP_FLAG = 0x04  # in the header VP8X of WebP
GIF_HEADER_BYTES, GIF_TABLE_FLAG, GIF_TABLE_SIZE = 13, 0x80, 7
GIF_EXTENSION, GIF_APPLICATION, GIF_IMAGE, GIF_IMAGE_HEAD_BYTES = 0x21, 0xFF, 0x2C, 10
GIF_XMP, GIF_C2PA, GIF_XMP_END = b"\x0bXMP DataXMP", b"\x0bC2PA_GIF", b"\x01\xff\xfe\xfd"


def write_image_marks(data: bytes, media_type: str, xmp: bytes) -> bytes:
    """The file with XMP. Raises InvalidInput if it is not such a file."""
    try:
        return _WRITERS[media_type](data, xmp)
    except (struct.error, IndexError, ValueError) as error:
        raise InvalidInput(f"the file is not a complete {media_type}") from error


def read_image_marks(data: bytes, media_type: str) -> tuple[bytes | None, bool]:
    """The XMP, and whether there is a C2PA manifest; a damaged end of the file is ignored."""
    return _READERS[media_type](data)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(PNG_SIGNATURE)
    while place + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        place += 12 + size


def _write_png(data: bytes, xmp: bytes) -> bytes:
    end = len(PNG_SIGNATURE) + 12 + struct.unpack_from(">I", data, len(PNG_SIGNATURE))[0]  # of IHDR
    content = b"iTXt" + PNG_KEYWORD + bytes(5) + xmp  # no compression, no language, no translation
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return data[:end] + chunk + data[end:]


def _read_png(data: bytes) -> tuple[bytes | None, bool]:
    xmp, has_c2pa = None, False
    for name, content in _png_chunks(data):
        has_c2pa |= name == b"caBX"
        if name == b"iTXt" and content.startswith(PNG_KEYWORD + bytes(1)):
            xmp = content[len(PNG_KEYWORD) + 5 :]
    return xmp, has_c2pa


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, place and content of the segments before the pixels."""
    place = len(JPEG_START)
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != SCAN:
        (size,) = struct.unpack_from(">H", data, place + 2)
        yield data[place + 1], place, data[place + 4 : place + 2 + size]
        place += 2 + size


def _write_jpeg(data: bytes, xmp: bytes) -> bytes:
    if not data.startswith(JPEG_START) or len(JPEG_XMP) + len(xmp) > MAX_JPEG_SEGMENT:
        raise ValueError("no JPEG, or too much XMP")
    place = len(JPEG_START)
    for kind, begin, content in _jpeg_segments(data):
        if kind == APP0:  # JFIF comes first
            place = begin + 4 + len(content)
    content = JPEG_XMP + xmp
    segment = struct.pack(">BBH", 0xFF, APP1, len(content) + 2) + content
    return data[:place] + segment + data[place:]


def _read_jpeg(data: bytes) -> tuple[bytes | None, bool]:
    xmp, has_c2pa = None, False
    for kind, _, content in _jpeg_segments(data):
        has_c2pa |= kind == APP11 and b"c2pa" in content
        if kind == APP1 and content.startswith(JPEG_XMP):
            xmp = content[len(JPEG_XMP) :]
    return xmp, has_c2pa


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        yield name, data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _write_webp(data: bytes, xmp: bytes) -> bytes:
    chunks = list(_webp_chunks(data))
    if chunks[0][0] == b"VP8X":
        header = chunks.pop(0)[1]
        header = bytes([header[0] | XMP_FLAG]) + header[1:]
    else:
        width, height = _webp_size(*chunks[0])
        header = bytes([XMP_FLAG, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    content = b"".join(_webp_chunk(*each) for each in ((b"VP8X", header), *chunks, (b"XMP ", xmp)))
    return b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content


def _webp_chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _webp_size(name: bytes, content: bytes) -> tuple[int, int]:
    """Width and height in the header of the pixels; a simple lossless file may have transparency."""
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name != b"VP8L":
        raise ValueError("no pixels")
    bits = int.from_bytes(content[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _read_webp(data: bytes) -> tuple[bytes | None, bool]:
    chunks = dict(_webp_chunks(data))
    return chunks.get(b"XMP "), b"C2PA" in chunks


def _gif_blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The kind and the bytes of each block, from the label of an extension or the head of an image to its end."""
    place = GIF_HEADER_BYTES + _gif_table_bytes(data[10])
    while place + 2 < len(data) and data[place] in (GIF_EXTENSION, GIF_IMAGE):
        begin, kind = place, data[place]
        place += 2
        if kind == GIF_IMAGE:
            place += GIF_IMAGE_HEAD_BYTES - 2 + _gif_table_bytes(data[begin + 9]) + 1  # 1: the size of a code
        while data[place]:
            place += 1 + data[place]
        place += 1
        yield kind, data[begin:place]


def _gif_table_bytes(flags: int) -> int:
    return 3 << (flags & GIF_TABLE_SIZE) + 1 if flags & GIF_TABLE_FLAG else 0


def _read_gif(data: bytes) -> tuple[bytes | None, bool]:
    xmp, has_c2pa = None, False
    with suppress(IndexError, ValueError):  # the end of the file or of the packet is missing
        for kind, block in _gif_blocks(data):
            content = block[2:] if kind == GIF_EXTENSION and block[1] == GIF_APPLICATION else b""
            has_c2pa |= content.startswith(GIF_C2PA)
            if content.startswith(GIF_XMP):
                xmp = content[len(GIF_XMP) : content.rindex(GIF_XMP_END)]
    return xmp, has_c2pa


_WRITERS = {"image/png": _write_png, "image/jpeg": _write_jpeg, "image/webp": _write_webp}
_READERS = {"image/png": _read_png, "image/jpeg": _read_jpeg, "image/webp": _read_webp, "image/gif": _read_gif}
