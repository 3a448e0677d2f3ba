"""The published `.tar` of a model to a folder on the shelf. Nothing is written before all of it was looked at."""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from tqdm import tqdm

from easyanimate.errors import CheckpointError
from easyanimate.models.card_file import CardMaker, add_card
from easyanimate.models.checkup import require_sound
from easyanimate.models.source import SOURCE_FILE, StoredFile, write_source
from easyanimate.models.staging import check_free, check_name, make_room, staged

MAX_BYTES = 64 << 30  # the published models have 18 GB
MAX_ENTRIES = 10_000
_MAX_READ_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Contents:
    """What an archive would write: its one folder, the files by their paths in it, and their bytes together."""

    top: str
    files: frozenset[str]
    total_bytes: int


def import_archive(
    archive: Path,
    models_dir: Path,
    *,
    name: str | None = None,
    force: bool = False,
    make_card: CardMaker | None = None,
) -> Path:
    """Unpack the model in `archive` (.tar or .tar.gz), check it, and put it on the shelf; the folder it lies in then.

    Its name is that of the archive's folder unless `name` says another; `force` replaces a model of that name.
    Raises CheckpointError for an archive that is damaged, unsafe, or holds no model that loads; ModelStoreError where
    there is no room or a model of that name. Either way, and when interrupted, nothing is left behind.
    """
    contents = examine(archive)
    name = contents.top if name is None else name
    check_name(name)
    check_free(models_dir, name, force=force)
    make_room(models_dir, contents.total_bytes)
    with staged(models_dir, name, "importing", force=force, keep=False) as folder:
        files = _unpack(archive, folder, contents)
        require_sound(folder)
        add_card(folder, contents.top, name, make_card)
        write_source(folder, {"archive": archive.name, "folder": contents.top}, files)
    return models_dir / name


def examine(archive: Path) -> Contents:
    """What is in `archive`. CheckpointError if anything in it is not a plain file or folder in its proper place."""
    tops, files, total = set[str](), set[str](), 0
    with _open(archive) as tar:
        for count, member in enumerate(tar, start=1):
            parts = _safe_parts(member, archive)
            tops |= set(parts[:1])
            total += member.size
            if total > MAX_BYTES or count > MAX_ENTRIES:
                limits = f"{MAX_BYTES >> 30} GiB or {MAX_ENTRIES} entries"
                raise CheckpointError(f"{archive} unpacks to more than {limits}; that is no model")
            if member.isreg():
                _add_file(files, parts, archive)
    if len(tops) != 1:
        found = ", ".join(sorted(tops)[:5]) or "nothing"
        raise CheckpointError(f"{archive} must hold one folder, the model's, and holds {found}")
    if clash := next((path for path in files if any(str(up) in files for up in Path(path).parents)), None):
        raise CheckpointError(f"{archive}: {clash!r} lies in what is itself a file")
    return Contents(tops.pop(), frozenset(files), total)


def _add_file(files: set[str], parts: tuple[str, ...], archive: Path) -> None:
    path = "/".join(parts[1:])
    if not path:
        raise CheckpointError(f"{archive} must hold one folder, the model's; {parts[0]!r} is a file outside of it")
    if path in files:
        raise CheckpointError(f"{archive} holds {path!r} twice")
    files.add(path)


def _safe_parts(member: tarfile.TarInfo, archive: Path) -> tuple[str, ...]:
    """The folders and the name of `member`; CheckpointError if it is a link, a device, or would lie elsewhere."""
    name = member.name
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise CheckpointError(f"{archive}: {name!r} is a link, a device or another special file; only plain ones pass")
    if member.size < 0 or (member.isdir() and member.size):
        raise CheckpointError(f"{archive}: {name!r} claims a size of {member.size} bytes")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    odd = name.startswith("/") or "\\" in name or not name.isprintable() or any(_is_odd(part) for part in parts)
    if odd or (member.isreg() and not parts):
        raise CheckpointError(f"{archive}: {name!r} is no proper name inside the model's folder")
    return parts


def _is_odd(part: str) -> bool:
    return part == ".." or ":" in part or len(part.encode()) > 255


def _unpack(archive: Path, folder: Path, contents: Contents) -> dict[str, StoredFile]:
    """Write the files of `archive` below `folder`; their sizes and hashes by path."""
    written: dict[str, StoredFile] = {}
    with (
        _open(archive) as tar,
        tqdm(total=contents.total_bytes, desc="unpacking", unit="B", unit_scale=True, disable=None) as bar,
    ):
        for member in tar:
            path = "/".join(_safe_parts(member, archive)[1:])
            if not member.isreg() or path == SOURCE_FILE:  # ours is written last
                continue
            if path not in contents.files:
                raise CheckpointError(f"{archive} was changed while it was read")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            written[path] = _write(cast("BinaryIO", tar.extractfile(member)), folder / path, bar)
    return written


def _write(content: BinaryIO, path: Path, bar: "tqdm[Any]") -> StoredFile:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        while chunk := content.read(_CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            bar.update(len(chunk))
    return StoredFile(size, digest.hexdigest())


class _ShortReads:
    """A file for tarfile, which reads a header in one piece however long it claims to be, and so into memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_READ_BYTES:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        return self._file.read(size)


@contextmanager
def _open(archive: Path) -> Iterator[tarfile.TarFile]:
    """`archive`, zipped or not; whatever cannot be read in it is a CheckpointError that says so."""
    try:
        raw = archive.open("rb")
    except OSError as problem:
        raise CheckpointError(f"{archive} cannot be read: {problem.strerror}") from problem
    with raw:
        zipped = raw.read(2) == _GZIP
        raw.seek(0)
        plain = cast("BinaryIO", gzip.GzipFile(fileobj=raw) if zipped else raw)
        try:
            with tarfile.open(fileobj=cast("BinaryIO", _ShortReads(plain)), mode="r:") as tar:
                yield tar
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, OverflowError) as problem:
            raise CheckpointError(
                f"{archive} is no tar archive, or damaged or cut short ({problem}); download it again"
            ) from problem
