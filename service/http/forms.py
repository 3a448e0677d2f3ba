"""multipart/form-data into the same tree that JSON gives: `webhook[url]` nests, `webhook[events][]` lists.

`loras[][name]` is a list of objects: a name that the last object has already begins the next one.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from jobs.errors import InvalidRequest

MAX_PARTS = 200
MAX_NAME_CHARS = 200
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){0,3})")


@dataclass(frozen=True)
class FormFile:
    """A file part. What type the caller says it has is not kept: nobody should believe it."""

    data: bytes
    filename: str = ""


@dataclass
class _Part:
    headers: dict[str, bytes] = field(default_factory=dict)
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    data: bytearray = field(default_factory=bytearray)


def read_multipart(body: bytes, boundary: bytes) -> dict[str, Any]:
    """The fields of a form: text, lists of text, objects of those, and `FormFile`. Raises InvalidRequest."""
    tree: dict[str, Any] = {}
    for part in _Parts().collect(body, boundary):
        name, value = _named_value(part)
        _place(tree, name, value)
    return tree


class _Parts:
    """Collects the parts as the parser comes upon them."""

    def __init__(self) -> None:
        self.resources: list[_Part] = []
        self.is_whole = False

    def collect(self, body: bytes, boundary: bytes) -> list[_Part]:
        try:
            parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self.begin,
                    "on_header_field": lambda data, start, end: self.resources[-1].header.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self.resources[-1].value.extend(data[start:end]),
                    "on_header_end": self.end_header,
                    "on_part_data": lambda data, start, end: self.resources[-1].data.extend(data[start:end]),
                    "on_end": self.end,
                },
            )
            parser.write(body)
        except FormParserError as error:
            raise InvalidRequest(f"the form is not valid multipart/form-data: {error}") from error
        if not self.is_whole:
            raise InvalidRequest("the form is cut off: its closing boundary is missing")
        return self.resources

    def begin(self) -> None:
        if len(self.resources) == MAX_PARTS:
            raise InvalidRequest(f"the form has too many parts; {MAX_PARTS} are more than any request needs")
        self.resources.append(_Part())

    def end_header(self) -> None:
        part = self.resources[-1]
        part.headers[part.header.decode("latin-1").lower()] = bytes(part.value)
        part.header, part.value = bytearray(), bytearray()

    def end(self) -> None:
        self.is_whole = True


def _named_value(part: _Part) -> tuple[str, str | FormFile]:
    _, options = parse_options_header(part.headers.get("content-disposition", b""))
    name = _text(options.get(b"name", b""), "the name of a form part")
    if not name or len(name) > MAX_NAME_CHARS:
        raise InvalidRequest(f"every form part needs a name of at most {MAX_NAME_CHARS} characters")
    if b"filename" in options:
        return name, FormFile(bytes(part.data), options[b"filename"].decode("utf-8", "replace"))
    return name, _text(bytes(part.data), name)


def _text(data: bytes, param: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        hint = "send text as UTF-8, and a file as a part with a filename"
        raise InvalidRequest(f"{param} is not valid UTF-8; {hint}", param) from error


def _place(tree: dict[str, Any], name: str, value: str | FormFile) -> None:
    """Put a value where its name says."""
    steps = _steps(name)
    last = steps[-1]
    node: Any = tree
    for key, following in pairwise(steps):
        kind = list if following == "" else dict
        node = _last_object(node, following, name) if key == "" else node.setdefault(key, kind())
        if not isinstance(node, kind):
            raise _twice(name)
    if last == "":
        node.append(value)
    elif last in node:
        raise _twice(name)
    else:
        node[last] = value


def _last_object(items: list[Any], key: str, name: str) -> dict[str, Any]:
    """The object of a list to which `key` belongs."""
    if items and not isinstance(items[-1], dict):
        raise _twice(name)
    if not items or key in items[-1]:
        items.append({})
    found: dict[str, Any] = items[-1]
    return found


def _steps(name: str) -> list[str]:
    """`webhook[events][]` -> webhook, events, and an empty one for the list; `loras[][name]` has it in the middle."""
    match = NAME.fullmatch(name)
    if match is None:
        raise InvalidRequest(f"the form field name {name!r} is not understood; nest as in webhook[url]", name)
    steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if "" in steps[:-2]:
        raise InvalidRequest(f"{name!r} nests too deep inside a list; loras[][name] is as deep as it goes", name)
    return steps


def _twice(name: str) -> InvalidRequest:
    return InvalidRequest(f"{name} is there twice; give it once", name)
