"""XMP in WebM files (RFC 8794, RFC 9559): a tag of the name `XMP`, which the studio writes. It is only read here."""

from collections.abc import Iterator
from typing import BinaryIO

SEGMENT, TAGS, TAG, SIMPLE_TAG, TAG_NAME, TAG_STRING = 0x18538067, 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
XMP_NAME = b"XMP"
MAX_ELEMENTS, MAX_XMP_BYTES = 100_000, 1 << 20
Element = tuple[int, int, int]  # id, begin of the content, end


def read_webm_xmp(file: BinaryIO) -> bytes | None:
    """The packet; None without one."""
    spans = [(0, file.seek(0, 2))]
    for wanted in (SEGMENT, TAGS, TAG, SIMPLE_TAG):
        spans = [(begin, end) for span in spans for name, begin, end in _elements(file, *span) if name == wanted]
    for span in spans:
        parts = {name: _content(file, begin, end) for name, begin, end in _elements(file, *span)}
        if parts.get(TAG_NAME) == XMP_NAME and parts.get(TAG_STRING):
            return parts[TAG_STRING]
    return None


def _elements(file: BinaryIO, begin: int, end: int) -> Iterator[Element]:
    """The elements of a span; it ends at the first one that is damaged. One of unknown length has all of the rest."""
    for _ in range(MAX_ELEMENTS):
        name, name_bytes = _number(file, begin)
        size, size_bytes = _number(file, begin + name_bytes)
        content = begin + name_bytes + size_bytes
        if not name_bytes or not size_bytes or content > end:
            return
        mark = 1 << 7 * size_bytes
        size -= mark
        stop = end if size == mark - 1 else content + size
        if stop > end:
            return
        yield name, content, stop
        begin = stop


def _number(file: BinaryIO, place: int) -> tuple[int, int]:
    """A number with the mark of its length, and its bytes; 0 bytes for the end of the file or a damaged number."""
    file.seek(place)
    head = file.read(8)
    length = 9 - head[0].bit_length() if head and head[0] else 0
    if len(head) < length:
        return 0, 0
    return int.from_bytes(head[:length], "big"), length


def _content(file: BinaryIO, begin: int, end: int) -> bytes:
    file.seek(begin)
    return file.read(min(end - begin, MAX_XMP_BYTES))
