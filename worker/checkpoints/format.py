"""The format of a checkpoint: a small JSON file that names other files, with their checksums.

A job has one folder with a subfolder for each attempt, named by the job's handover. So no attempt overwrites the files
of another, not even one that was suspended for a long time. Names of files are relative to the folder of the job, in
the spool and in storage: a checkpoint may name windows of an earlier attempt. `checkpoint.json` is written last and by
renaming, so the files that it names exist.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from easyanimate.files.manifest import file_sha256
from jobs.errors import RecordUnreadable
from jobs.model.stored import parse_stored
from worker.load_options import MAX_CPU_THREADS

NAME = "checkpoint.json"
FORMAT = 1


class NamedFile(BaseModel, frozen=True, extra="forbid"):
    """A file of a checkpoint: its path below the folder of the job, and its checksum."""

    name: str = Field(pattern=r"^[0-9]{1,6}/[a-z0-9-]{1,40}\.(mkv|safetensors)$")
    sha256: str

    def path_in(self, folder: Path) -> Path:
        """Its path in `folder`. Raises ValueError if it is missing or damaged."""
        path = folder / self.name
        if not path.is_file() or file_sha256(path) != self.sha256:
            raise ValueError(f"{self.name} is damaged or missing")
        return path


class Computed(BaseModel, frozen=True):
    """How steps were computed, which a run that continues does likewise where it can.

    `cpu_threads` is None on other devices, and in checkpoints of releases before 0.2.0. `attention_kernels` is None
    where none were measured, and `compiled` where nothing was compiled.
    """

    cpu_threads: int | None = Field(default=None, ge=1, le=MAX_CPU_THREADS)
    attention_kernels: dict[str, str] | None = None
    compiled: str | None = None


def computed_values(source: Any) -> dict[str, Any]:
    """The values of `Computed` by name, of an environment, a checkpoint or a label."""
    return {name: getattr(source, name) for name in Computed.model_fields}


class Checkpoint(Computed, frozen=True, extra="forbid"):
    """`windows` are finished, `step` counts the steps of all windows, `state` is that of the current window.

    `fingerprint` identifies everything that the frames depend on. `phase_seconds` are the seconds until now.
    `reused` are the indexes of the finished windows that were taken from storage. `window_states` are the states of
    stored windows that end with the finished ones, or none at all.
    """

    format: int = FORMAT
    fingerprint: str
    step: int
    windows: tuple[NamedFile, ...] = ()
    window_states: tuple[NamedFile, ...] = ()
    state: NamedFile
    phase_seconds: dict[str, float] = {}
    reused: tuple[int, ...] = ()

    @property
    def needed(self) -> tuple[NamedFile, ...]:
        """The files that a run resumes from, the state last."""
        return (*self.windows, self.state)

    @property
    def files(self) -> tuple[NamedFile, ...]:
        """All files that it names."""
        return (*self.windows, *self.window_states, self.state)

    def write(self, folder: Path) -> None:
        """Writes it as the checkpoint of the attempt with this folder."""
        unfinished = folder / f".{NAME}"
        unfinished.write_text(self.model_dump_json())
        unfinished.replace(folder / NAME)


class InvalidCheckpoint(Exception):
    """A checkpoint is damaged, or belongs to another run."""


class OtherCheckpoint(InvalidCheckpoint):
    """A checkpoint can be read, and belongs to another run."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads the checkpoint in the folder of an attempt. Raises InvalidCheckpoint."""
    try:
        return parse_checkpoint((path / NAME).read_bytes())
    except OSError as error:
        raise InvalidCheckpoint("its checkpoint.json cannot be read") from error


def parse_checkpoint(content: bytes) -> Checkpoint:
    """Parses what `write` wrote. Raises InvalidCheckpoint."""
    try:
        checkpoint = parse_stored(Checkpoint, content)
    except RecordUnreadable as error:
        raise InvalidCheckpoint("its checkpoint.json cannot be read") from error
    if checkpoint.format != FORMAT:
        raise InvalidCheckpoint(f"it has format {checkpoint.format}")
    return checkpoint


def attempts_in(folder: Path) -> Iterator[Path]:
    """The subfolders of a job's folder that hold a checkpoint, the latest attempt first."""
    if folder.is_dir():
        attempts = [path for path in folder.iterdir() if path.name.isdecimal() and (path / NAME).is_file()]
        yield from sorted(attempts, key=lambda path: int(path.name), reverse=True)
