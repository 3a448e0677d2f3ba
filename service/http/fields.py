"""Typed reading of a caller's fields, the same for JSON and forms: each wrong value is refused with its name."""

import math
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from jobs.errors import InvalidRequest
from service.http.body import read_json
from service.http.forms import FormFile

WHOLE = re.compile(r"[+-]?[0-9]{1,19}(\.0{1,9})?")
NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,4})?")
MAX_INTEGER = 2**63


class Fields:
    """The fields of a request, or of an object inside it; null is as good as absent. `path` is that object's name."""

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self.values = values
        self.path = path

    def param(self, name: str) -> str:
        """The full name of a field, as in `webhook.url`."""
        return f"{self.path}.{name}" if self.path else name

    def get(self, name: str) -> Any:
        """The raw value, or None."""
        return self.values.get(name)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Refuse the first field that is not known, with the one it may have been meant to be."""
        for name in self.values:
            if name in known:
                continue
            param = self.param(name[:100])
            near = get_close_matches(name[:100], known, n=1)
            hint = f"did you mean {self.param(near[0])}?" if near else f"there are {', '.join(known)}"
            raise _unknown(f"there is no parameter {param}; {hint}", param)

    def text(self, name: str, max_chars: int) -> str | None:
        """A text of at most so many characters."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.refused(name, "must be text")
        if len(value) > max_chars:
            message = f"{self.param(name)} has {len(value)} characters; at most {max_chars} work"
            raise InvalidRequest(message, self.param(name))
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest(f"{self.param(name)} has half a surrogate pair", self.param(name)) from error
        return value

    def whole(self, name: str) -> int | None:
        """A whole number, also as text or as 8.0."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, str) and WHOLE.fullmatch(value):
            value = int(value.split(".")[0])
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_INTEGER:
            raise self.refused(name, "must be a whole number")
        return value

    def number(self, name: str) -> float | None:
        """A finite number, also as text."""
        value = self.get(name)
        if value is None:
            return None
        if isinstance(value, str) and NUMBER.fullmatch(value):
            value = float(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value if abs(value) < MAX_INTEGER else math.inf):
            raise self.refused(name, "must be a finite number")
        return float(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Yes or no, also as text."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, str):
            value = {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
        if not isinstance(value, bool):
            raise self.refused(name, "must be true or false")
        return value

    def texts(self, name: str, max_chars: int) -> tuple[str, ...] | None:
        """A list of texts; one alone may stand without its list."""
        value = self._parsed(name)
        if value is None:
            return None
        items = value if isinstance(value, list) else [value]
        return tuple(Fields({name: item}, self.path).text(name, max_chars) or "" for item in items)

    def part(self, name: str) -> "Fields | None":
        """An object inside the request, also as JSON in a text."""
        value = self._parsed(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.refused(name, "must be an object")
        return Fields(value, self.param(name))

    def objects(self, name: str, most: int) -> "tuple[Fields, ...]":
        """A list of objects; one alone may stand without its list, and none is as good as absent."""
        value = self._parsed(name)
        items = [] if value is None else value if isinstance(value, list) else [value]
        if len(items) > most:
            raise InvalidRequest(f"{self.param(name)} has {len(items)} entries; at most {most} work", self.param(name))
        items = [read_json(item, self.param(name)) if _is_object(item) else item for item in items]
        if not all(isinstance(item, dict) for item in items):
            raise self.refused(name, "must be a list of objects")
        return tuple(Fields(item, self.param(name)) for item in items)

    def refused(self, name: str, rule: str) -> InvalidRequest:
        """The refusal of a value, saying what it was."""
        return InvalidRequest(f"{self.param(name)} {rule}, got {_glimpse(self.get(name))}", self.param(name))

    def _parsed(self, name: str) -> Any:
        value = self.get(name)
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
            return read_json(value, self.param(name))
        return value


def _is_object(value: object) -> bool:
    return isinstance(value, str) and value.lstrip()[:1] == "{"


def _glimpse(value: object) -> str:
    """A value as a refusal may show it: short, and never the inside of something large."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if abs(value) < 1e40 else "a very large one"
    kinds = {dict: "an object", list: "a list", FormFile: "a file"}
    return kinds.get(type(value), type(value).__name__)


def _unknown(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param, "unknown_parameter")
