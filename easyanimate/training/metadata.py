"""Upstream's metadata list: a JSON file of `{"file_path", "text", "type"}`, images and videos (spec: pipelines 15)."""

import json
from pathlib import Path, PurePath
from typing import Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator

from easyanimate.training.errors import TrainingError


class Entry(BaseModel):
    """One file and what is said of it. `file_path` is relative to the data folder."""

    file_path: str = Field(min_length=1)
    text: str
    type: Literal["image", "video"] = "image"

    @field_validator("file_path")
    @classmethod
    def _stays_in_the_folder(cls, file_path: str) -> str:
        path = PurePath(file_path)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{file_path} must be a path inside the data folder")
        return file_path


def read_metadata(file: Path) -> tuple[Entry, ...]:
    """The entries of the list. Raises TrainingError that names the file and the first entry that does not fit."""
    try:
        entries = TypeAdapter(tuple[Entry, ...]).validate_python(json.loads(file.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TrainingError(f"{file}, entry {where}: {first['msg']}; entries are {{file_path, text, type}}") from error
    except (OSError, ValueError) as error:
        raise TrainingError(f"{file} cannot be read as a JSON list: {error}") from error
    if not entries:
        raise TrainingError(f"{file} lists nothing to train on")
    return entries
