"""The metadata list of EasyAnimate: a JSON file with `{"file_path", "text", "type"}` entries (spec: pipelines 15)."""

import json
from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator, model_validator

from easyanimate.errors import CheckpointError
from easyanimate.training.errors import TrainingError
from easyanimate.weights.file_content import check_content

_VIDEO_EXTENSIONS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"})


class ListEntry(BaseModel):
    """A file with its caption. `file_path` is relative to the data folder.

    In a list the path may be absolute if it is inside the data folder. Without `type`, the file extension decides.
    """

    file_path: str = Field(min_length=1)
    text: str
    type: Literal["image", "video"] = "image"

    @model_validator(mode="before")
    @classmethod
    def _type_by_extension(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "type" in values:
            return values
        is_video = PurePath(str(values.get("file_path"))).suffix.lower() in _VIDEO_EXTENSIONS
        return {**values, "type": "video" if is_video else "image"}

    @field_validator("file_path")
    @classmethod
    def _is_inside_the_folder(cls, file_path: str, info: ValidationInfo) -> str:
        folder = Path(info.context or ".")
        path = PurePath(file_path)
        if path.is_absolute():
            path = next(
                (path.relative_to(up) for up in (folder.absolute(), folder.resolve()) if up in path.parents), path
            )
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{file_path} must be a path inside the data folder, {folder}")
        if "\\" in file_path and not (folder / path).exists():
            raise ValueError(f"{file_path} has backslashes; write / between folders")
        return str(path)


def read_metadata_list(file: Path, folder: Path | None = None) -> tuple[ListEntry, ...]:
    """The entries of a list; their files are in `folder`, by default the folder of the list.

    Raises TrainingError with the file and the first invalid entry.
    """
    try:
        check_content(file)
        content = json.loads(
            file.read_bytes()
        )  # from bytes, json also accepts UTF-16 and a byte order mark, which Windows writes
        entries = TypeAdapter(tuple[ListEntry, ...]).validate_python(content, context=folder or file.parent)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise TrainingError(f"{file}, entry {where}: {what}; entries are {{file_path, text, type}}") from error
    except CheckpointError as error:
        raise TrainingError(str(error)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{file} cannot be read as a JSON list: {error}") from error
    if not entries:
        raise TrainingError(f"{file} lists nothing to train on")
    return entries
