"""Detects files whose content is not what the name says, and puts messages of other libraries on one line."""

import re
from pathlib import Path

from easyanimate.errors import CheckpointError

_MAX_REASON_CHARS = 300  # characters of another library's message
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LFS_POINTER = b"version https://git-lfs"  # the content of a large file in a clone without git-lfs
_START_BYTES = 64


def one_line(problem: object) -> str:
    """The text of `problem` on one line, without control characters, at most 300 characters."""
    text = " ".join(_ANSI.sub("", str(problem)).split())
    text = "".join(letter for letter in text if letter.isprintable()) or type(problem).__name__
    return text if len(text) <= _MAX_REASON_CHARS else text[:_MAX_REASON_CHARS] + "..."


def check_content(path: Path) -> None:
    """CheckpointError if the file `path` is empty, a git-LFS pointer, or an HTML page."""
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except OSError as problem:
        raise CheckpointError(f"{path} cannot be read ({problem.strerror})") from problem
    check_start(start, str(path))


def check_start(start: bytes, where: str) -> None:
    """As `check_content`, for the first bytes (at least 64) of the file named `where`."""
    if not start:
        raise CheckpointError(f"{where} is damaged or cut short: it is empty; download it again")
    if start.removeprefix(b"\xef\xbb\xbf").startswith(_LFS_POINTER):
        raise CheckpointError(
            f"{where} is a git-LFS pointer, not the file; run git lfs pull in that folder, or `easyanimate models pull`"
        )
    if _is_html(start):
        raise CheckpointError(
            f"{where} is a page of HTML or XML, not the file; "
            "the address needs a sign-in or is wrong, download it again"
        )


def _is_html(start: bytes) -> bool:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"<") and b"\0" not in start  # a safetensors file begins with a length, which has zeros
