"""The file that a command writes, checked before anything is generated for it."""

import secrets
from pathlib import Path

import typer

from cli.errors import RefusedCommand


def parse_output(value: str | Path) -> Path:
    """The path of an option --output. Raises BadParameter for an empty text and for a folder that does not exist."""
    text = str(value)
    if not text:
        raise typer.BadParameter("it is empty; name a file or a folder")
    if text.endswith("/") and not Path(text).is_dir():
        raise typer.BadParameter(f"the folder {text} does not exist")
    return Path(text)


def check_output(path: Path, *, can_be_special: bool = False) -> None:
    """Refuses a path where no file can be written. `can_be_special`: a pipe or a device is possible, too."""
    if not path.parent.is_dir():
        raise RefusedCommand(f"the folder {path.parent} does not exist")
    try:
        if path.is_dir():
            raise RefusedCommand(f"{path} is a folder; name a file in it")
        if is_special(path):
            if not can_be_special:
                raise RefusedCommand(f"{path} is a pipe or a device; name a file")
            return
        probe = path.with_name(f".{path.name}.{secrets.token_hex(4)}.encoded.part")  # the longest name of a writer
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise RefusedCommand(f"{path} cannot be written: {error.strerror or error}") from error


def is_special(path: Path) -> bool:
    """Whether the path is a pipe or a device, which gets the bytes and is not replaced by a file."""
    return path.exists() and not path.is_file() and not path.is_dir()
