"""Files and folders that are written whole or not at all; a full disk is told in a sentence, and loses nothing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from easyanimate.files.durable import to_disk
from easyanimate.training.errors import TrainingError


@contextmanager
def writing(what: str, where: Path) -> Iterator[None]:
    """Raises TrainingError that names `what` and `where` when there is no room, or no right to write."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{what} could not be written to {where}: {error}") from error


@contextmanager
def whole_folder(final: Path) -> Iterator[Path]:
    """An empty folder beside `final` that takes its place when all went well, and goes when not."""
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


def replace_text(file: Path, text: str) -> None:
    """Write `text` beside `file`, then in its place."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        to_disk(unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
