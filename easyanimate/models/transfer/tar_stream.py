"""Reads a tar, compressed with gzip or not, once from start to end: from a file, or from a pipe without seek."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from easyanimate.errors import CheckpointError
from easyanimate.weights.file_content import check_start

_MAX_READ_BYTES = 8 << 20
_MAX_REST_BYTES = 64 << 20  # of zeros after the end marker
_CHUNK_BYTES = 1 << 20
_START_BYTES = 512
_END = bytes(512)  # the block after the last member
_GZIP = b"\x1f\x8b"
_OTHER_KINDS = {
    b"PK\x03\x04": ("a .zip file", "unzip it, and move the model's folder into the models folder"),
    b"PK\x05\x06": ("a .zip file", "unzip it, and move the model's folder into the models folder"),
    b"BZh": ("compressed with bzip2", "send it through a pipe: bzip2 -dc FILE | easyanimate models import -"),
    b"\xfd7zXZ\x00": ("compressed with xz", "send it through a pipe: xz -dc FILE | easyanimate models import -"),
    b"\x28\xb5\x2f\xfd": (
        "compressed with zstd",
        "send it through a pipe: zstd -dc FILE | easyanimate models import -",
    ),
    b"7z\xbc\xaf\x27\x1c": ("a .7z file", "unpack it, and move the model's folder into the models folder"),
    b"Rar!\x1a\x07": ("a .rar file", "unpack it, and move the model's folder into the models folder"),
}
_DAMAGE = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, OverflowError)


class _Pipe:
    """A forward-only stream with the file methods that tarfile and gzip need."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start, self._stream, self._position = start, stream, 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        data, self._start = self._start[:size], self._start[size:]
        data += _read_fully(self._stream, size - len(data))
        self._position += len(data)
        return data

    def tell(self) -> int:
        """The number of bytes read so far."""
        return self._position

    def seek(self, target: int) -> int:
        """Reads up to the position `target`."""
        if target < self._position:
            raise tarfile.ReadError("a pipe cannot go back")
        while self._position < target and self.read(min(_CHUNK_BYTES, target - self._position)):
            pass
        return self._position


class _ShortReads:
    """A file for tarfile with a limit on each read, because tarfile reads a header of any declared size into memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.last = file, b""
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_READ_BYTES:
            raise tarfile.ReadError(f"a header declares {size} bytes")
        self.last = self._file.read(size)
        return self.last


class Tar:
    """The members of the archive in `stream`, in order; the content of each is read before the next one.

    Raises CheckpointError, which names `label`, for data that is no tar, another kind of archive, or truncated.
    """

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self.label = label
        start = _read_fully(stream, _START_BYTES)
        _check_kind(start, label)
        pipe = cast("BinaryIO", _Pipe(start, stream))
        self._plain = cast("BinaryIO", gzip.GzipFile(fileobj=pipe)) if start.startswith(_GZIP) else pipe
        self._reads = _ShortReads(self._plain)
        with self.naming_damage():
            self._tar = tarfile.open(fileobj=cast("BinaryIO", self._reads), mode="r:")  # noqa: SIM115

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        members = iter(self._tar)
        while True:
            with self.naming_damage():
                member = next(members, None)
                if member is None:
                    self._check_end()
                    return
            yield member

    def content(self, member: tarfile.TarInfo) -> BinaryIO:
        """The content of the file `member`."""
        return cast("BinaryIO", self._tar.extractfile(member))

    @contextmanager
    def naming_damage(self) -> Iterator[None]:
        """Converts read errors inside the block to a CheckpointError."""
        try:
            yield
        except _DAMAGE as problem:
            raise CheckpointError(
                f"{self.label} is no tar archive, or damaged or cut short ({problem}); download it again"
            ) from problem

    def _check_end(self) -> None:
        """Checks the end marker, which tarfile does not require, and reads the rest, so that gzip checks its sum."""
        if self._reads.last != _END:
            raise tarfile.ReadError("the end marker is missing")
        for _ in range(_MAX_REST_BYTES // _CHUNK_BYTES):
            if not self._plain.read(_CHUNK_BYTES):
                return


def _read_fully(stream: BinaryIO, size: int) -> bytes:
    """The next `size` bytes of `stream`, which may return them in pieces; fewer only at its end."""
    pieces = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _check_kind(start: bytes, label: str) -> None:
    for magic, (kind, remedy) in _OTHER_KINDS.items():
        if start.startswith(magic):
            raise CheckpointError(f"{label} is {kind}; only .tar and .tar.gz are supported; {remedy}")
    if start and not _is_tar(start):
        check_start(start, label)


def _is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar"
