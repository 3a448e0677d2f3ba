"""Imports the published `.tar` of a model, from a file or a pipe, into the models folder.

A file is checked completely before anything is written. A pipe is checked while it is unpacked; it is not stored.
"""

import hashlib
import shutil
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from easyanimate.errors import CheckpointError
from easyanimate.models.card_file import CardFactory, add_card
from easyanimate.models.inspection import require_loadable
from easyanimate.models.transfer.archive_layout import Layout
from easyanimate.models.transfer.source import SOURCE_FILE, StoredFile, write_source
from easyanimate.models.transfer.staging import check_name, check_name_is_free, ensure_disk_space, staging_folder
from easyanimate.models.transfer.tar_stream import Tar

Member = tuple[tarfile.TarInfo, str]  # with its path in the archive

_CHUNK_BYTES = 1 << 20
_UNPACKED = ".unpacked"  # inside the hidden folder of an import; the files with the paths of the archive


def import_archive(
    archive: Path,
    models_dir: Path,
    *,
    name: str | None = None,
    force: bool = False,
    make_card: CardFactory | None = None,
) -> Path:
    """Unpacks the model in `archive` (.tar or .tar.gz), checks it, and adds it to the models folder.

    Returns its folder. The model has the name of the archive's folder, or `name`. With `name` the archive may have no
    folder. `force` replaces a model of that name. A named pipe is read as in `import_stream`.
    Raises CheckpointError for an archive that is damaged, unsafe, or holds no model that loads. Raises ModelStoreError
    without disk space, or if the name is in use. After an error or an interrupt nothing remains.
    """
    if _is_pipe(archive, models_dir):
        with _opened(archive) as stream:
            return import_stream(stream, str(archive), models_dir, name=name, force=force, make_card=make_card)
    layout = inspect_archive(archive)
    top = layout.top(may_be_flat=name is not None)
    name = top if name is None else name
    check_name(name)
    check_name_is_free(models_dir, name, force=force)
    ensure_disk_space(models_dir, layout.total_bytes)
    with _opened(archive) as file, staging_folder(models_dir, name, "importing", force=force, keep=False) as folder:
        tar, again = Tar(file, str(archive)), Layout(str(archive))
        written = _unpack(tar, _files(tar, again), folder, layout.total_bytes)
        if again.files != layout.files:
            raise CheckpointError(f"{archive} was changed while it was read")
        _complete(folder, top, name, written, archive.name, make_card)
    return models_dir / name


def import_stream(
    stream: BinaryIO,
    label: str,
    models_dir: Path,
    *,
    name: str | None = None,
    force: bool = False,
    make_card: CardFactory | None = None,
) -> Path:
    """As `import_archive`, for an archive in `stream`, which is read once; `label` is its name in messages."""
    tar, layout = Tar(stream, label), Layout(label)
    files = _files(tar, layout)
    first = list(islice(files, 1))
    top = "" if name is not None and first else layout.top(may_be_flat=False)
    is_named, name = name is not None, top if name is None else name
    check_name(name)
    check_name_is_free(models_dir, name, force=force)
    with staging_folder(models_dir, name, "importing", force=force, keep=False) as folder:
        arriving = _checked_on_arrival(chain(first, files), layout, models_dir, is_named=is_named)
        written = _unpack(tar, arriving, folder, None)
        _complete(folder, layout.top(may_be_flat=is_named), name, written, label, make_card)
    return models_dir / name


def inspect_archive(archive: Path) -> Layout:
    """The content of the file `archive`. CheckpointError if it is damaged, or an entry is not allowed."""
    layout = Layout(str(archive))
    with _opened(archive) as file:
        for member in Tar(file, str(archive)):
            layout.add(member)
    return layout


def _is_pipe(archive: Path, models_dir: Path) -> bool:
    """Whether `archive` can be read only once. CheckpointError if it is a folder or does not exist."""
    try:
        mode = archive.stat().st_mode
    except OSError as problem:
        raise CheckpointError(f"{archive} cannot be read: {problem.strerror}") from problem
    if stat.S_ISDIR(mode):
        raise CheckpointError(
            f"{archive} is a folder, not an archive; if it is a model, "
            f"move it to {models_dir / archive.resolve().name} and check it with `easyanimate models check`"
        )
    return not stat.S_ISREG(mode)


@contextmanager
def _opened(archive: Path) -> Iterator[BinaryIO]:
    try:
        file = archive.open("rb")
    except OSError as problem:
        raise CheckpointError(f"{archive} cannot be read: {problem.strerror}") from problem
    with file:
        yield file


def _files(tar: Tar, layout: Layout) -> Iterator[Member]:
    """The files of `tar` that belong to the model, with their paths; all entries are added to `layout`."""
    for member in tar:
        path = layout.add(member)
        if path is not None:
            yield member, path


def _checked_on_arrival(
    files: Iterable[Member], layout: Layout, models_dir: Path, *, is_named: bool
) -> Iterator[Member]:
    """`files`, each after a check of the disk space; without a name all must be in one folder."""
    for member, path in files:
        if not is_named:
            layout.top(may_be_flat=False)
        ensure_disk_space(models_dir, member.size)
        yield member, path


def _unpack(tar: Tar, files: Iterable[Member], folder: Path, total_bytes: int | None) -> dict[str, StoredFile]:
    """Writes `files` into `folder` with the paths of the archive; returns their sizes and hashes by path."""
    written: dict[str, StoredFile] = {}
    unpacked = folder / _UNPACKED
    unpacked.mkdir()
    with tqdm(total=total_bytes, desc="unpacking", unit="B", unit_scale=True, disable=None) as bar:
        for member, path in files:
            (unpacked / path).parent.mkdir(parents=True, exist_ok=True)
            with tar.naming_damage():
                written[path] = _write(tar.content(member), unpacked / path, bar)
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


def _complete(
    folder: Path, top: str, name: str, written: dict[str, StoredFile], label: str, make_card: CardFactory | None
) -> None:
    """Moves the files out of the archive's folder `top`, checks the model, and writes card.json and source.json."""
    unpacked = folder / _UNPACKED
    for child in list((unpacked / top).iterdir()):
        child.rename(folder / child.name)
    shutil.rmtree(unpacked)
    (folder / SOURCE_FILE).unlink(missing_ok=True)  # a new one is written at the end
    require_loadable(folder)
    add_card(folder, top or name, name, make_card)
    files = {path.removeprefix(f"{top}/"): file for path, file in written.items()}
    files.pop(SOURCE_FILE, None)
    write_source(folder, {"archive": label, "folder": top}, files)
