"""The body of a request for a video, refused with the name of the field where it cannot be sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from json import dumps
from math import isfinite
from pathlib import Path
from typing import Any

from cli.client.errors import NotAccepted


@dataclass(frozen=True)
class RequestBody:
    """The fields of a request for a video, and the files of its inputs by field. Fields that are None are left out."""

    fields: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """The arguments of an HTTP request: JSON, or a form if there are files. Raises NotAccepted."""
        values = {name: value for name, value in self.fields.items() if value is not None}
        for name, value in values.items():
            _check_value(name, value)
        if not self.files:
            return {"json": values}
        form = {name: value if isinstance(value, str) else dumps(value) for name, value in values.items()}
        return {"data": form, "files": {name: (path.name, _read(path)) for name, path in self.files.items()}}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotAccepted(f"{path} cannot be read: {error.strerror}") from error


def _check_value(name: str, value: Any) -> None:
    """Refuses numbers that JSON does not have, and texts that are not Unicode, with the name of the field."""
    if isinstance(value, float) and not isfinite(value):
        raise NotAccepted(f"{name} must be a number, got {value}")
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise NotAccepted(f"{name} has bytes that are not UTF-8")
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        _check_value(f"{name}[{key}]" if isinstance(value, list) else f"{name}.{key}", part)
