"""`source.json` in a model folder: the origin of the model, and the size and hash of each file."""

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
    """The size and SHA-256 (hex) of a file at its arrival."""

    size_bytes: int
    sha256: str


def write_source(folder: Path, origin: Mapping[str, str], files: Mapping[str, StoredFile]) -> None:
    """Writes the `origin` of the model in `folder`, and its `files` by their paths in it."""
    content = {**origin, "files": {path: asdict(files[path]) for path in sorted(files)}}
    (folder / SOURCE_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_source(folder: Path) -> dict[str, StoredFile]:
    """The recorded files of the model in `folder`; empty without source.json. CheckpointError if it is unreadable."""
    path = folder / SOURCE_FILE
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: StoredFile(**entry) for name, entry in content["files"].items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as problem:
        raise CheckpointError(f"{path} cannot be read ({problem}); delete it to continue without") from problem


def changed_files(folder: Path, *, hashes: bool) -> list[str]:
    """The files that differ from source.json: missing, of another size, or with `hashes` of other content."""
    try:
        stored = read_source(folder)
    except CheckpointError as problem:
        return [str(problem)]
    complaints = (_complaint(folder / name, file, hashes) for name, file in stored.items())
    return [complaint for complaint in complaints if complaint]


def _complaint(path: Path, stored: StoredFile, hashes: bool) -> str | None:
    if not path.is_file():
        return f"{path} is missing, but source.json lists it"
    size = path.stat().st_size
    if size != stored.size_bytes:
        return f"{path} has {size} bytes, but had {stored.size_bytes} at its arrival"
    if hashes and hash_file(path) != stored.sha256:
        return f"{path} is damaged: its hash differs from source.json"
    return None


def hash_file(path: Path, on_bytes: Callable[[int], object] = lambda count: None) -> str:
    """The SHA-256 of a file in hex; `on_bytes` receives the number of bytes after each read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            on_bytes(len(chunk))
    return digest.hexdigest()


def git_blob_id(path: Path) -> str:
    """The git blob id of a file; hubs identify small files by it."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
