"""The messages between a process that needs a file decoded, the fork server, and the limited process of the file.

The module needs the standard library only.
"""

import json
import struct
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

READY = b"ready"  # the first message of the fork server
_SIZES = struct.Struct(">II")  # bytes of the JSON text and of the content
_END = struct.Struct(">4si")  # mark, and how the process ended
_MARK = b"DIED"


class TaskKind(StrEnum):
    """What is read from a file."""

    IMAGE = "image"  # -> width, height, warnings; an RGB PNG
    MASK = "mask"  # the same, for a mask
    LEVELS = "levels"  # darkest and lightest level of a PNG at `width` x `height`
    VIDEO = "video"  # the description of a video
    MARKS = "marks"  # results: those of `easyanimate.provenance.checks`


class TaskOutcome(StrEnum):
    """How a task ended."""

    DONE = "done"
    REFUSED = "refused"  # with a sentence
    DAMAGED = "damaged"  # an error of a decoder, or its crash
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"  # no process could be started
    UNAVAILABLE = "unavailable"  # the fork server does not start


@dataclass(frozen=True)
class ProbeTask:
    """A task, with the limits of its process: memory beyond what it has at its start, and seconds of processor time."""

    kind: TaskKind
    memory_bytes: int
    cpu_s: int
    max_pixels: int = 0
    width: int = 0
    height: int = 0
    media_type: str = ""
    trusted_bytes: int = 0  # of the certificates before the file

    def to_bytes(self) -> bytes:
        """The message to the fork server."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, message: bytes) -> Self:
        """The task in a message."""
        fields = json.loads(message)
        return cls(**{**fields, "kind": TaskKind(fields["kind"])})


@dataclass(frozen=True)
class ProbeAnswer:
    """The result of a task: values that JSON can hold, and the content of a file."""

    outcome: TaskOutcome
    values: dict[str, Any] = field(default_factory=dict)
    content: bytes = b""

    def to_bytes(self) -> bytes:
        """The message to the caller."""
        text = json.dumps({"outcome": self.outcome, "values": self.values}).encode()
        return _SIZES.pack(len(text), len(self.content)) + text + self.content

    @classmethod
    def from_bytes(cls, message: bytes | bytearray, max_bytes: int) -> Self | None:
        """The answer in a message, or None as long as a part is missing. Raises ValueError for what no task sends."""
        if len(message) < _SIZES.size or message.startswith(_MARK):
            return None
        text_size, content_size = _SIZES.unpack_from(message)
        if text_size + content_size > max_bytes:
            raise ValueError(f"an answer of more than {max_bytes} bytes")
        begin = _SIZES.size + text_size
        if len(message) < begin + content_size:
            return None
        try:
            fields = json.loads(bytes(message[_SIZES.size : begin]))
            return cls(
                TaskOutcome(fields["outcome"]), dict(fields["values"]), bytes(message[begin : begin + content_size])
            )
        except (KeyError, TypeError) as error:
            raise ValueError("not an answer") from error


def pack_end(status: int) -> bytes:
    """The last message about a process that ended: its exit status, or the negative number of a signal."""
    return _END.pack(_MARK, status)


def unpack_end(message: bytes | bytearray) -> int | None:
    """How the process ended whose answer is incomplete; None if the fork server has not reported it."""
    if len(message) < _END.size:
        return None
    mark, status = _END.unpack(message[-_END.size :])
    return status if mark == _MARK else None
