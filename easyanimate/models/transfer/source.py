"""`source.json` beside a model's folders: where it came from, and the size and hash of each of its files."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from easyanimate.errors import CheckpointError

SOURCE_FILE = "source.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class StoredFile:
    """What a file was when it came: its size and its SHA-256 in hex."""

    size_bytes: int
    sha256: str


def write_source(folder: Path, origin: Mapping[str, str], files: Mapping[str, StoredFile]) -> None:
    """Write down the `origin` of the model in `folder`, and its `files` by their paths in it."""
    content = {**origin, "files": {path: asdict(files[path]) for path in sorted(files)}}
    (folder / SOURCE_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_source(folder: Path) -> dict[str, StoredFile]:
    """The files of the model in `folder` as they came; none if nobody wrote it down. CheckpointError if unreadable."""
    path = folder / SOURCE_FILE
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: StoredFile(**entry) for name, entry in content["files"].items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as problem:
        raise CheckpointError(f"{path} cannot be read ({problem}); delete it to go without") from problem


def changed_files(folder: Path, *, hashes: bool) -> list[str]:
    """Where the files of `folder` are not what its source.json says: gone, of another size, or (`hashes`) content."""
    try:
        stored = read_source(folder)
    except CheckpointError as problem:
        return [str(problem)]
    complaints = (_complaint(folder / name, file, hashes) for name, file in stored.items())
    return [complaint for complaint in complaints if complaint]


def _complaint(path: Path, stored: StoredFile, hashes: bool) -> str | None:
    if not path.is_file():
        return f"{path} is missing, but came with the model"
    size = path.stat().st_size
    if size != stored.size_bytes:
        return f"{path} has {size} bytes, but came with {stored.size_bytes}"
    if hashes and hash_file(path) != stored.sha256:
        return f"{path} is damaged: its hash is not the one it came with"
    return None


def hash_file(path: Path, on_bytes: Callable[[int], object] = lambda count: None) -> str:
    """The SHA-256 of a file in hex; `on_bytes` hears how many more bytes were read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            on_bytes(len(chunk))
    return digest.hexdigest()


def git_blob_id(path: Path) -> str:
    """The name git gives a file of this content; hubs name their small files so."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
