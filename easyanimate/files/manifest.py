"""The manifest: all values that frames depend on, so that they can be generated again.

It is complete beside the file. Inside the file it has shortened hashes, and in a file of the service no prompts.

A frame is identified by the SHA-256 of its pixels before encoding. A model is identified by the SHA-256 over the names,
sizes and content of its files. Of a file above 16 MiB only the first 4 KiB in each MiB are read, because 18 GB would
take minutes. This distinguishes trainings of the same network, but not a deliberate change of a few values.
"""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from easyanimate.errors import InvalidInput

FORMAT = 1
COMPACT = 16  # hexadecimal digits of each frame's hash in the file; 64 bits are enough to distinguish frames
LIBRARIES = ("torch", "diffusers", "transformers", "peft", "numpy", "pillow", "av")
_FOLDERS = ("tokenizer", "text_encoder", "image_encoder", "vae", "transformer")  # the folders that loading reads
_WHOLE = 16 * 2**20
_STRIDE, _SAMPLE = 2**20, 4 * 2**10


@dataclass(frozen=True)
class UsedLora:
    """A LoRA by its name, the SHA-256 of its file, and its scale."""

    name: str
    sha256: str
    scale: float


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All values that the frames depend on. `settings` are all effective parameters, with the seed.

    `inputs` has the SHA-256 of each input file by its field; `frames` has those of the frames. `cpu_threads` is None on
    other devices, and in manifests of releases before 0.2.0. `attention_kernels` is None where none were measured.
    `compiled` is "blocks" if the blocks of the transformer were compiled.
    """

    model: str
    model_sha256: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    loras: tuple[UsedLora, ...] = ()
    device: str
    dtype: str
    memory: str
    libraries: Mapping[str, str]
    frames: tuple[str, ...]
    cpu_threads: int | None = None
    attention_kernels: Mapping[str, str] | None = None
    compiled: str | None = None
    format: int = FORMAT

    def to_json(self) -> str:
        """The readable form, with full hashes."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    def compact(self) -> str:
        """The form for the metadata of the file: shortened hashes of frames, no spaces."""
        short = replace(self, frames=tuple(frame[:COMPACT] for frame in self.frames))
        return json.dumps(asdict(short), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Parses the text of `to_json` or `compact`; InvalidInput for other text. Unknown fields are ignored."""
        try:
            fields = json.loads(text)
            if fields["format"] != FORMAT:
                raise InvalidInput(f"the manifest has format {fields['format']!r}; this program reads format {FORMAT}")
            loras = tuple(UsedLora(**_defined(UsedLora, lora)) for lora in fields["loras"])
            frames = tuple(str(frame) for frame in fields["frames"])
            return cls(**_defined(cls, {**fields, "loras": loras, "frames": frames}))
        except (ValueError, TypeError, KeyError, RecursionError) as problem:
            if isinstance(problem, InvalidInput):
                raise
            raise InvalidInput(f"this is no manifest: {problem}") from problem


def _defined(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that are fields of the data class: a later release may write more."""
    return {each.name: values[each.name] for each in dataclass_fields(kind) if each.name in values}


class FrameHashes:
    """Collects the SHA-256 of each frame."""

    def __init__(self) -> None:
        self._hashes: list[str] = []

    def add(self, frames: Any) -> None:
        """Adds the next `frames` [F, H, W, 3], uint8, an array or a tensor on the CPU."""
        import numpy as np  # programs that only read manifests need no arrays

        self._hashes += [hashlib.sha256(frame.tobytes()).hexdigest() for frame in np.asarray(frames)]

    def all(self) -> tuple[str, ...]:
        """The hashes of all frames so far, in order."""
        return tuple(self._hashes)


def first_difference(recorded: tuple[str, ...], created: tuple[str, ...]) -> int | None:
    """The first frame with different hashes, or that only one side has; `recorded` hashes may be shortened."""
    for i, (old, new) in enumerate(zip(recorded, created, strict=False)):
        if not old or not new.startswith(old):
            return i
    return None if len(recorded) == len(created) else min(len(recorded), len(created))


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of the whole content of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_sha256(folder: str | Path) -> str:
    """The hash that identifies the model in `folder`; the module says how large files are read."""
    total = hashlib.sha256()
    for path in sorted(_files(Path(folder))):
        name = path.relative_to(folder).as_posix()
        total.update(f"{name}\0{path.stat().st_size}\0".encode())
        for part in _content(path):
            total.update(part)
    return total.hexdigest()


def library_versions() -> dict[str, str]:
    """The versions of Python and of the libraries that can change a frame."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _files(folder: Path) -> Iterator[Path]:
    for part in _FOLDERS:
        for path in (folder / part).rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                yield path


def _content(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE:
            yield file.read()
            return
        for start in range(0, size, _STRIDE):
            file.seek(start)
            yield file.read(_SAMPLE)
