"""Atomic writes of files and folders, with a clear error for a full disk."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from easyanimate.files.durable import to_disk
from easyanimate.training.errors import TrainingError


@contextmanager
def write_errors(what: str, where: Path) -> Iterator[None]:
    """Turns errors of writing into a TrainingError that names `what` and `where`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{what} could not be written to {where}: {error}") from error


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """An empty folder that replaces `final` at the end of the block; after an error it is deleted."""
    unfinished, before = (final.parent / f".{final.name}.{name}" for name in ("unfinished", "before"))
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        for file in unfinished.rglob("*"):
            to_disk(file)
        to_disk(unfinished)
        shutil.rmtree(before, ignore_errors=True)
        if final.exists():
            final.rename(before)
        unfinished.rename(final)
        to_disk(final.parent)
    finally:
        for folder in (unfinished, before):
            shutil.rmtree(folder, ignore_errors=True)


def replace_text_file(file: Path, text: str) -> None:
    """Replaces the content of `file` by `text`, atomically."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        to_disk(unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
