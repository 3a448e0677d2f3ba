"""The YAML file with the shots of a film, read strictly: an error names the line.

The file is a list. Each entry has `prompt`, and `num_frames` or `seconds`; it may have `negative_prompt`, `image`,
`last_image`, `seed` and `overlap`, with the meaning of the API. Paths of images are relative to the folder of the file.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from cli.errors import RefusedCommand

MAX_SHOTS = 64
IMAGES = ("image", "last_image")
SENTENCES = {
    "missing": "is missing",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "is empty",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be at most {le}",
}


class ShotEntry(BaseModel, frozen=True, extra="forbid", strict=True):
    """One shot of the file. `image` and `last_image` are paths below the folder of the file, or references."""

    prompt: str = Field(min_length=1)
    num_frames: int | None = Field(None, ge=8)
    seconds: float | None = Field(None, gt=0, allow_inf_nan=False)
    negative_prompt: str | None = None
    image: str | None = Field(None, min_length=1)
    last_image: str | None = Field(None, min_length=1)
    seed: int | None = Field(None, ge=0, le=2**63 - 1)
    overlap: int | None = Field(None, ge=0, le=4)


def read_shots(path: Path) -> tuple[ShotEntry, ...]:
    """The shots in the file at `path`. Raises RefusedCommand, which names the line of the first fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedCommand(f"{path} cannot be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        entries = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _fault(path, mark, f"this is not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise RefusedCommand(f"{path} is not valid YAML: {error}") from error
    if not isinstance(root, yaml.SequenceNode) or not root.value:
        mark = None if root is None else root.start_mark
        raise _fault(path, mark, "the file must be a list of shots, each with a prompt")
    if len(root.value) > MAX_SHOTS:
        message = f"a film has at most {MAX_SHOTS} shots, and this is another one"
        raise _fault(path, root.value[MAX_SHOTS].start_mark, message)
    return tuple(_read_shot(path, i, *pair) for i, pair in enumerate(zip(root.value, entries, strict=True)))


def _read_shot(path: Path, index: int, node: yaml.Node, entry: Any) -> ShotEntry:
    name = f"shots[{index}]"
    if not isinstance(node, yaml.MappingNode) or not isinstance(entry, dict):
        raise _fault(path, node.start_mark, f"{name} must have fields, as in `prompt: a red circle`")
    marks = dict(_marks(path, name, node))
    try:
        shot = ShotEntry.model_validate(entry)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = str(fault["loc"][0])
        sentence = SENTENCES.get(fault["type"], fault["msg"]).format(**fault.get("ctx", {}))
        raise _fault(path, marks.get(field, node.start_mark), f"{name}.{field} {sentence}") from error
    _check_shot(path, name, shot, marks, node)
    return shot


def _check_shot(path: Path, name: str, shot: ShotEntry, marks: dict[str, yaml.Mark], node: yaml.Node) -> None:
    """Refuses fields that exclude each other."""
    if shot.num_frames is None and shot.seconds is None:
        raise _fault(path, node.start_mark, f"{name} needs num_frames or seconds")
    if shot.num_frames is not None and shot.seconds is not None:
        raise _fault(path, marks["seconds"], f"{name} has both num_frames and seconds; leave one out")
    if shot.overlap and shot.image is not None:
        raise _fault(path, marks["overlap"], f"{name} has an image, so it begins with a cut; leave overlap out")


def _marks(path: Path, name: str, node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Mark]]:
    """The place of each field; refuses one that is unknown or there twice."""
    fields: set[str] = set()
    for key, value in node.value:
        field = str(key.value)
        if field not in ShotEntry.model_fields:
            nearest = get_close_matches(field, ShotEntry.model_fields, 1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(ShotEntry.model_fields)}"
            raise _fault(path, key.start_mark, f"{name} has no field {field}; {hint}")
        if field in fields:
            raise _fault(path, key.start_mark, f"{name} has {field} twice")
        fields.add(field)
        yield field, value.start_mark


def _fault(path: Path, mark: yaml.Mark | None, message: str) -> RefusedCommand:
    line = 1 if mark is None else mark.line + 1
    return RefusedCommand(f"{path}, line {line}: {message}")
