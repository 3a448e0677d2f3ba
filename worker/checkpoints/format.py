"""What a checkpoint of a running job is: a few words of JSON, and the files they name with their checksums.

A job's checkpoints lie in one folder, those of each attempt in a folder of their own, named by the job's handover; so
no attempt ever writes over another's, not even one that was paused and wakes up too late. Names of files are relative
to the job's folder, in the spool and in storage alike: a later attempt's checkpoint names the finished windows of an
earlier one. `checkpoint.json` is written last and by renaming: what it names is there.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from easyanimate.files.manifest import file_sha256

NAME = "checkpoint.json"
FORMAT = 1


class NamedFile(BaseModel):
    """A file of a checkpoint: its path below the job's folder, and what is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[0-9]{1,6}/[a-z0-9-]{1,40}\.(mkv|safetensors)$")
    sha256: str

    def path_in(self, folder: Path) -> Path:
        """Where it lies; ValueError if it is not there whole."""
        path = folder / self.name
        if not path.is_file() or file_sha256(path) != self.sha256:
            raise ValueError(f"{self.name} is damaged or missing")
        return path


class Checkpoint(BaseModel):
    """`windows` are finished, `step` counts the steps of all windows; `state` is where the window begun stands.

    `fingerprint` tells everything the frames depend on. `phase_seconds` is what it took to come so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    fingerprint: str
    step: int
    windows: tuple[NamedFile, ...] = ()
    state: NamedFile
    phase_seconds: dict[str, float] = {}

    @property
    def files(self) -> tuple[NamedFile, ...]:
        """All it needs."""
        return (*self.windows, self.state)

    def write(self, folder: Path) -> None:
        """Make it the checkpoint of the attempt whose folder this is."""
        unfinished = folder / f".{NAME}"
        unfinished.write_text(self.model_dump_json())
        unfinished.replace(folder / NAME)


class InvalidCheckpoint(Exception):
    """A checkpoint that is damaged, or belongs to something else."""


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint of an attempt's folder. Raises Unusable."""
    try:
        return parse_checkpoint((path / NAME).read_bytes())
    except OSError as error:
        raise InvalidCheckpoint("its checkpoint.json cannot be read") from error


def parse_checkpoint(content: bytes) -> Checkpoint:
    """The checkpoint that `write` wrote. Raises Unusable."""
    try:
        found = Checkpoint.model_validate_json(content)
    except ValidationError as error:
        raise InvalidCheckpoint("its checkpoint.json cannot be read") from error
    if found.format != FORMAT:
        raise InvalidCheckpoint(f"it has format {found.format}")
    return found


def attempts_in(folder: Path) -> Iterator[Path]:
    """The folders of the attempts that left a checkpoint in a job's folder, the latest attempt first."""
    if folder.is_dir():
        found = [path for path in folder.iterdir() if path.name.isdigit() and (path / NAME).is_file()]
        yield from sorted(found, key=lambda path: int(path.name), reverse=True)
