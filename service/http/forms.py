"""multipart/form-data as the same tree that JSON gives: `webhook[url]` nests, `webhook[events][]` makes a list.

`loras[][name]` makes a list of objects: a name that the last object already has begins the next object. A browser
sends empty text for a field that is not filled in, and an empty file without a name for one that is not chosen. Both
count as absent, except the empty values of `metadata`.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from jobs.errors import InvalidRequest

MAX_PARTS = 600  # 64 shots with all their fields, and the others
MAX_NAME_CHARS = 200
KEPT_EMPTY = "metadata["  # its values are texts of the caller, and may be empty
MALFORMED = "the form is not valid multipart/form-data: each part needs its boundary, its headers and a name"
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){0,3})")


@dataclass(frozen=True)
class FormFile:
    """The content of a file part. Its declared type is dropped, since it cannot be trusted."""

    data: bytes
    filename: str = ""


class CompleteFormParser(MultiPartParser):
    """Starlette's parser, which also counts all parts and records whether the closing boundary was read."""

    is_complete = False
    num_parts = 0

    def on_part_begin(self) -> None:
        """Counts a part. Raises InvalidRequest for too many."""
        super().on_part_begin()
        self.num_parts += 1
        if self.num_parts > MAX_PARTS:
            raise InvalidRequest(f"the form has more than {MAX_PARTS} parts; send fewer")

    def on_end(self) -> None:
        """Records the closing boundary."""
        self.is_complete = True


async def read_form(content_type: str, stream: AsyncGenerator[bytes, None], max_bytes: int) -> dict[str, Any]:
    """The fields of a form as a tree of text, lists, objects and `FormFile`. Raises InvalidRequest.

    Text is decoded as Latin-1, which loses no byte, and then strictly as UTF-8. Files stay in memory.
    """
    headers = Headers({"content-type": f"{content_type}; charset=latin-1"})
    parser = CompleteFormParser(headers, stream, max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=max_bytes)
    parser.spool_max_size = max_bytes
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError) as error:  # older versions of Starlette do not convert the second
        raise InvalidRequest(MALFORMED) from error
    try:
        if not parser.is_complete:
            raise InvalidRequest("the form is cut off: its closing boundary is missing")
        return await _tree(form)
    finally:
        await form.close()


async def _tree(form: FormData) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for latin_name, part in form.multi_items():
        name = _name(latin_name)
        value = await _file(part) if isinstance(part, UploadFile) else _utf8(part, name)
        if value not in ("", FormFile(b"")) or name.startswith(KEPT_EMPTY):
            _insert(tree, name, value)
    return tree


async def _file(upload: UploadFile) -> FormFile:
    data = await upload.read()
    return FormFile(data, (upload.filename or "").encode("latin-1").decode("utf-8", "replace"))


def _name(latin_name: str) -> str:
    name = _utf8(latin_name, "the name of a form part")
    if not name or len(name) > MAX_NAME_CHARS:
        raise InvalidRequest(f"every form part needs a name of at most {MAX_NAME_CHARS} characters")
    return name


def _utf8(latin_text: str, param: str) -> str:
    try:
        return latin_text.encode("latin-1").decode()
    except UnicodeDecodeError as error:
        hint = "send text as UTF-8, and a file as a part with a filename"
        raise InvalidRequest(f"{param} is not valid UTF-8; {hint}", param) from error


def _insert(tree: dict[str, Any], name: str, value: str | FormFile) -> None:
    """Inserts a value at the place that its name describes."""
    steps = _steps(name)
    last = steps[-1]
    node: Any = tree
    for key, following in pairwise(steps):
        kind = list if following == "" else dict
        node = _last_object(node, following, name) if key == "" else node.setdefault(key, kind())
        if not isinstance(node, kind):
            raise _repeated(name)
    if last == "":
        node.append(value)
    elif last in node:
        raise _repeated(name)
    else:
        node[last] = value


def _last_object(items: list[Any], key: str, name: str) -> dict[str, Any]:
    """The object of a list to which `key` belongs; a new one if the last object already has `key`."""
    if items and not isinstance(items[-1], dict):
        raise _repeated(name)
    if not items or key in items[-1]:
        items.append({})
    last: dict[str, Any] = items[-1]
    return last


def _steps(name: str) -> list[str]:
    """`webhook[events][]` -> webhook, events, "" for the list; `loras[][name]` -> loras, "", name."""
    match = NAME.fullmatch(name)
    if match is None:
        raise InvalidRequest(f"the form field name {name!r} is not understood; nest as in webhook[url]", name)
    steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if "" in steps[:-2]:
        raise InvalidRequest(f"{name!r} nests too deep inside a list; loras[][name] is the limit", name)
    return steps


def _repeated(name: str) -> InvalidRequest:
    return InvalidRequest(f"{name} is sent twice; send it once", name)
