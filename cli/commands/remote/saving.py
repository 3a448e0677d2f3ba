"""The file of a result: its name, its check before a request, and a note where the name does not fit the content."""

from pathlib import Path

import typer

from cli.client.client import Client, Record
from cli.output_file import check_output

SUFFIXES = {"manifest": ".json", "spritesheet": ".jpg", "thumbnail": ".jpg", "preview": ".jpg"}
IMAGE, VIDEO = ".png", ".mp4"


def check_target(output: Path | None) -> None:
    """Refuses an output that cannot be written; a folder is possible. Raises RefusedCommand."""
    target = None if output is None else named_in(output, "result")
    if target is not None:
        check_output(target, can_be_special=True)


def named_in(output: Path, name: str) -> Path:
    """`output` itself, or a file with this name in it if it is a folder."""
    try:
        return output / name if output.is_dir() else output
    except OSError:  # such as a name that is too long
        return output


def save_result(client: Client, record: Record, output: Path) -> Path:
    """Saves the result of a finished video at `output`, or in that folder, and returns the path."""
    path = named_in(output, f"{record['id']}{suffix_of(record)}")
    client.download(record["id"], path)
    if suffix_of(record) == IMAGE and path.suffix.lower() == VIDEO:
        typer.echo(f"note: {path} is a PNG, because the result has one frame", err=True)
    return path


def suffix_of(record: Record) -> str:
    """The suffix of the service's file."""
    return IMAGE if record.get("num_frames") == 1 else VIDEO
