"""The small model in this package, as a folder to copy. This module does not load torch."""

import secrets
import shutil
from importlib.resources import as_file, files
from pathlib import Path

TINY_MODEL = "easyanimate-v3-tiny"
SHIPPED = files("easyanimate.tiny") / "model"
CARD_FILE = "card.json"


def copy_tiny_model(folder: Path) -> Path:
    """Copies the model to `folder`, in the published layout and float16, atomically; returns the folder.

    An existing folder is replaced. Raises OSError if there is no space or no permission.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    try:
        with as_file(SHIPPED) as shipped:
            shutil.copytree(shipped, unfinished)
        if folder.is_dir():
            folder.rename(unfinished.with_name(f"{unfinished.name}.old"))
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(unfinished.with_name(f"{unfinished.name}.old"), ignore_errors=True)
    return folder


def is_tiny_model(folder: Path) -> bool:
    """Whether `folder` contains all files of the shipped model, byte for byte."""
    with as_file(SHIPPED) as shipped:
        return all(_is_same(file, folder / file.relative_to(shipped)) for file in shipped.rglob("*") if file.is_file())


def _is_same(file: Path, other: Path) -> bool:
    try:
        return file.stat().st_size == other.stat().st_size and file.read_bytes() == other.read_bytes()
    except OSError:
        return False
