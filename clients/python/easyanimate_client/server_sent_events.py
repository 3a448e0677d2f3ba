"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from easyanimate_client.decoding import decode
from easyanimate_client.records import Video

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Event:
    """One event of a video: `state`, `progress`, `preview`, `log` or `done`, and its data."""

    type: str
    data: Mapping[str, Any]
    id: str | None = None

    @property
    def video(self) -> Video | None:
        """The final record, of the event `done` only; None if the video was deleted."""
        return decode(Video, self.data) if self.type == "done" and self.data.get("object") == "video" else None


class EventParser:
    """Parses a stream in chunks of any size. Only \\r\\n, \\n and \\r end a line, unlike in `str.splitlines`."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_first = True
        self._type, self._data = "", list[str]()
        self._id: str | None = None

    @property
    def has_bytes(self) -> bool:
        """Whether anything has arrived."""
        return not self._is_first or bool(self._rest)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes."""
        *lines, self._rest = self._lines(self._rest + chunk)
        for line in lines:
            if event := self._read(line):
                yield event

    def _lines(self, text: bytes) -> list[bytes]:
        """The lines of `text`, and what follows the last one. A final \\r may be half of \\r\\n and is kept."""
        kept = b"\r" if text.endswith(b"\r") else b""
        lines = text.removesuffix(kept).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        return [*lines[:-1], lines[-1] + kept]

    def _read(self, line: bytes) -> Event | None:
        if self._is_first:
            self._is_first, line = False, line.removeprefix(BYTE_ORDER_MARK)
        if not line:
            return self._event()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _event(self) -> Event | None:
        kind, lines, event_id = self._type, self._data, self._id
        self._type, self._data, self._id = "", [], None
        if not lines:
            return None
        data = json.loads("\n".join(lines))
        return Event(kind or "message", data if isinstance(data, dict) else {"value": data}, event_id)
