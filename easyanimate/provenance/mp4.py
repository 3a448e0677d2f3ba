"""XMP and the AIGC label in MP4 files (ISO/IEC 14496-12): written without a change of the frames, and read.

XMP is a `uuid` box at the end of the file. The label is an entry of the metadata list `moov/udta/meta`, the place that
TC260-PG-20257A names for it. Some programs write it to `moov/meta`, and both are read. `moov` precedes the frames in
files of this project, so the places of all frames are moved.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

from easyanimate.errors import InvalidInput
from easyanimate.provenance.aigc import LABEL_KEY

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
CHUNK_TABLE_PATH = (b"trak", b"mdia", b"minf", b"stbl")
MAX_BOXES = 100_000
MAX_MOOV_BYTES, MAX_XMP_BYTES = 64 << 20, 1 << 20
COPIED_BYTES = 1 << 20
Box = tuple[bytes, int, int, int]  # type, begin, begin of the content, end


def boxes(file: BinaryIO, begin: int, end: int) -> Iterator[Box]:
    """The boxes of a span; it ends at the first one that is damaged."""
    for _ in range(MAX_BOXES):
        if begin + 8 > end:
            return
        file.seek(begin)
        head = file.read(16)
        size, name = struct.unpack(">I4s", head[:8])
        content = begin + 8
        if size == 1 and len(head) == 16:
            size, content = struct.unpack(">Q", head[8:])[0], begin + 16
        elif size == 0:
            size = end - begin
        if size < content - begin or begin + size > end:
            return
        yield name, begin, content, begin + size
        begin += size


def write_mp4_marks(source: BinaryIO, target: BinaryIO, xmp: bytes, label: str | None) -> None:
    """Copies a file with XMP, and with the AIGC label if there is one. Raises InvalidInput for another kind of MP4."""
    size = source.seek(0, 2)
    top = list(boxes(source, 0, size))
    names = [name for name, *_ in top]
    if names.count(b"moov") != 1 or top[-1][3] != size:
        raise InvalidInput("the MP4 has no header, or is cut off")
    for name, begin, content, end in top:
        if name == b"moov" and label:
            source.seek(content)
            target.write(_moov_with_label(source.read(end - content), label, begin, end))
        else:
            _copy(source, target, begin, end)
    target.write(_box(b"uuid", XMP_UUID + xmp))


def read_mp4_marks(file: BinaryIO) -> tuple[bytes | None, str | None, bool]:
    """The XMP, the AIGC label, and whether there is a C2PA box."""
    xmp, label, has_c2pa = None, None, False
    for name, _, content, end in boxes(file, 0, file.seek(0, 2)):
        if name == b"uuid":
            file.seek(content)
            kind = file.read(16)
            has_c2pa |= kind == C2PA_UUID
            if kind == XMP_UUID and end - content < MAX_XMP_BYTES:
                xmp = file.read(end - content - 16)
        elif name == b"moov" and end - content < MAX_MOOV_BYTES:
            file.seek(content)
            label = _label_in(file.read(end - content))
    return xmp, label, has_c2pa


def _moov_with_label(content: bytes, label: str, begin: int, end: int) -> bytes:
    """The box with the label, for a `moov` from `begin` to `end` with this content."""
    data = bytearray(_with_label(content, label))
    moved = len(data) - len(content)
    for table, start, stop in _chunk_tables(bytes(data)):
        form = ">Q" if table == b"co64" else ">I"
        step = struct.calcsize(form)
        for place in range(start + 8, stop - step + 1, step):
            (offset,) = struct.unpack_from(form, data, place)
            if offset >= end:
                struct.pack_into(form, data, place, offset + moved)
            elif offset > begin:
                raise InvalidInput("the MP4 has frames inside its header")
    return _box(b"moov", bytes(data))


def _with_label(moov: bytes, label: str) -> bytes:
    """The content of `moov` with the list of the label in `udta`; a list that is there moves to `moov/meta`.

    The list of the comment has another handler, and a box has one list. FFmpeg reads both places.
    """
    children, file = list(boxes(BytesIO(moov), 0, len(moov))), BytesIO(moov)
    parts = [(name, moov[begin:end]) for name, begin, _, end in children if name != b"udta"]
    user_data = [box for name, _, content, end in children if name == b"udta" for box in boxes(file, content, end)]
    lists = [moov[begin:end] for name, begin, _, end in user_data if name == b"meta"]
    others = b"".join(moov[begin:end] for name, begin, _, end in user_data if name != b"meta")
    if len(lists) + [name for name, _ in parts].count(b"meta") > 1 or _label_in(moov) is not None:
        raise InvalidInput("the MP4 has a label, or metadata in several places")
    rest = b"".join(content for _, content in parts)
    return rest + _box(b"udta", others + _metadata(label)) + b"".join(lists)


def _chunk_tables(moov: bytes) -> Iterator[tuple[bytes, int, int]]:
    file = BytesIO(moov)
    spans = [(0, len(moov))]
    for wanted in CHUNK_TABLE_PATH:
        spans = [(content, end) for span in spans for name, _, content, end in boxes(file, *span) if name == wanted]
    for span in spans:
        for name, _, content, end in boxes(file, *span):
            if name in (b"stco", b"co64"):
                yield name, content, end


def _metadata(label: str) -> bytes:
    """The box `meta` with one entry under the key `AIGC`."""
    handler = _box(b"hdlr", bytes(8) + b"mdta" + bytes(13))
    key = LABEL_KEY.encode()
    keys = _box(b"keys", bytes(4) + struct.pack(">I", 1) + struct.pack(">I4s", 8 + len(key), b"mdta") + key)
    value = _box(b"data", struct.pack(">II", 1, 0) + label.encode())  # 1: the text is UTF-8
    return _box(b"meta", bytes(4) + handler + keys + _box(b"ilst", _box(struct.pack(">I", 1), value)))


def _label_in(moov: bytes) -> str | None:
    """The entry `AIGC` of a metadata list in `moov`, or in `udta` inside it."""
    file = BytesIO(moov)
    parents = [(0, len(moov)), *((c, e) for name, _, c, e in boxes(file, 0, len(moov)) if name == b"udta")]
    metas = [(c, e) for span in parents for name, _, c, e in boxes(file, *span) if name == b"meta"]
    for content, end in metas:
        parts = {name: (c, e) for name, _, c, e in boxes(file, content + 4, end)}
        if b"keys" in parts and b"ilst" in parts and (text := _entry(moov, parts[b"keys"], parts[b"ilst"])):
            return text
    return None


def _entry(moov: bytes, keys: tuple[int, int], items: tuple[int, int]) -> str | None:
    file = BytesIO(moov)
    names = [moov[content:end] for _, _, content, end in boxes(file, keys[0] + 8, keys[1])]
    for kind, _, content, end in boxes(file, *items):
        number = struct.unpack(">I", kind)[0]
        if 1 <= number <= len(names) and names[number - 1] == LABEL_KEY.encode():
            for name, _, begin, stop in boxes(file, content, end):
                if name == b"data":
                    return moov[begin + 8 : stop].decode(errors="replace")
    return None


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def _copy(source: BinaryIO, target: BinaryIO, begin: int, end: int) -> None:
    source.seek(begin)
    while begin < end:
        piece = source.read(min(COPIED_BYTES, end - begin))
        target.write(piece)
        begin += len(piece)
