"""The events of one video for one listener, as server-sent events."""

import json
from collections.abc import Callable
from typing import Any

from jobs.errors import JobNotFound
from jobs.model.job import Job
from jobs.model.states import State
from jobs.store.callers.reader import Event, JobReader


class EventFeed:
    """Reads the events after `last_id` in order; `has_ended` after the `done` event, which carries the record."""

    def __init__(self, reader: JobReader, job: Job, last_id: int, to_record: Callable[[Job], dict[str, Any]]) -> None:
        self.reader = reader
        self.job = job
        self.last_id = last_id
        self.to_record = to_record
        self.has_ended = False

    async def read(self) -> bytes:
        """The new events; empty if there are none. Raises QueueUnavailable."""
        record = await self._final_record()  # before the events: with a final record they are complete
        events = await self.reader.events(self.job.id, self.last_id)
        texts = [text for event in events if (text := _event_text(event))]
        if not self.last_id and events and events[0].data.get("state") != State.QUEUED:
            texts.insert(0, _current_state(self.job))  # the first events were trimmed
        if events:
            self.last_id = events[-1].id
        if record is not None:
            self.last_id += 1
            self.has_ended = True
            texts.append(_text("done", record, self.last_id))
        return b"".join(texts)

    async def _final_record(self) -> dict[str, Any] | None:
        """The record of a video that has ended or was deleted."""
        try:
            job = await self.reader.get_owned(self.job.id, self.job.owner)
        except JobNotFound:
            return {"id": self.job.id, "object": "video.deleted", "deleted": True}
        return self.to_record(job) if job.has_ended else None


def _current_state(job: Job) -> bytes:
    """The state of the video, without an id."""
    return _text("state", {"state": job.public_state, "attempt": job.attempt, "status": job.public_status})


def _event_text(event: Event) -> bytes | None:
    """The event; None for one of a newer release."""
    data = event.data
    if "state" in data:
        return _text("state", data, event.id)
    if "log" in data:
        return _text("log", {"message": data["log"]}, event.id)
    if "preview" in data:
        return _text("preview", data["preview"], event.id)
    return _text("progress", data, event.id) if "step" in data else None


def _text(name: str, data: dict[str, Any], event_id: int | None = None) -> bytes:
    """One event in the format of https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    id_line = "" if event_id is None else f"id: {event_id}\n"
    return f"{id_line}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
