"""What happens to a video, as it happens: one reader for each that is watched, however many watch it.

A feed begins with its first listener and ends with its last. Listeners share what was read: each has only its place.
"""

import asyncio
import json
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from jobs.errors import JobNotFound, QueueUnavailable
from jobs.model.job import Job
from jobs.model.states import State
from jobs.queue.notifications import LOOK_AGAIN_S, JobNotifications
from jobs.store.callers.reader import Event, EventPage, JobReader

log = structlog.get_logger()

MAX_KEPT_EVENTS = 2000  # events in memory; a story in Redis has about a thousand
Show = Callable[[Job], dict[str, Any]]


@dataclass(frozen=True)
class Line:
    """One event as it is sent."""

    id: int
    text: bytes


class EventFeed:
    """The events of one video, in order; `has_ended` when no more will come, `is_closing` when none will from here."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.is_whole = True  # the first one is the video's first
        self.has_ended = False
        self.is_closing = False
        self.listeners = 0
        self.task: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    @property
    def last_id(self) -> int:
        """The id of the latest event; 0 before the first."""
        return self.lines[-1].id if self.lines else 0

    def after(self, line_id: int) -> list[Line]:
        """The events after this one."""
        return self.lines[bisect_right(self.lines, line_id, key=lambda line: line.id) :]

    async def wait(self, line_id: int, timeout_s: float) -> None:
        """Until there are events after this one, or the end, or for so long."""
        try:
            async with asyncio.timeout(max(timeout_s, 0)), self._news:
                await self._news.wait_for(lambda: self.has_ended or self.is_closing or self.last_id > line_id)
        except TimeoutError:
            return

    async def add(self, lines: list[Line], *, has_ended: bool) -> None:
        """Append events."""
        async with self._news:
            self.lines += lines
            if len(self.lines) > MAX_KEPT_EVENTS:
                self.lines, self.is_whole = self.lines[-MAX_KEPT_EVENTS // 2 :], False
            self.has_ended = has_ended
            self._news.notify_all()

    async def close(self) -> None:
        """Send the listeners away; elsewhere, or later, they go on where they were."""
        async with self._news:
            self.is_closing = True
            self._news.notify_all()


class EventFeeds:
    """All feeds of this process. `show` makes the record that the last event carries."""

    def __init__(self, reader: JobReader, news: JobNotifications, show: Show) -> None:
        self.reader = reader
        self.news = news
        self.show = show
        self._feeds: dict[str, EventFeed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def listeners(self) -> int:
        """How many listen right now."""
        return sum(feed.listeners for feed in self._feeds.values())

    def join(self, job: Job) -> EventFeed:
        """The feed of a video, with one listener more."""
        feed = self._feeds.get(job.id)
        if feed is None:
            feed = self._feeds[job.id] = EventFeed()
            feed.task = asyncio.create_task(self._read(feed, job), name=f"feed {job.id}")
            self._tasks.add(feed.task)
            feed.task.add_done_callback(self._tasks.discard)
        feed.listeners += 1
        return feed

    def leave(self, job: Job, feed: EventFeed) -> None:
        """One listener less; with the last one the reading ends."""
        feed.listeners -= 1
        if feed.listeners == 0 and self._feeds.get(job.id) is feed:
            del self._feeds[job.id]
            if feed.task is not None:
                feed.task.cancel()

    async def close(self) -> None:
        """Send all listeners away."""
        for feed in list(self._feeds.values()):
            await feed.close()

    async def end(self) -> None:
        """Read no more: who asks Redis after its connections were closed opens new ones, which nobody closes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, feed: EventFeed, job: Job) -> None:
        try:
            async with self.news.of(job.id) as bell:
                while not feed.has_ended:
                    with suppress(QueueUnavailable):  # it goes on when Redis is back
                        await self._look(feed, job)
                    if not feed.has_ended:
                        await bell.wait(LOOK_AGAIN_S)
        except Exception:  # nobody awaits this task
            log.exception("feed.failed", job_id=job.id)
            await feed.close()

    async def _look(self, feed: EventFeed, job: Job) -> None:
        story = await self.reader.story(job.id, feed.last_id)
        if not feed.lines and story.events:
            feed.is_whole = story.events[0].said.get("state") == State.QUEUED
        lines = [_line(event) for event in story.events]
        end = await self._end(story, job, feed.last_id)
        if lines or end:
            await feed.add(lines + end, has_ended=bool(end))

    async def _end(self, story: EventPage, job: Job, last_id: int) -> list[Line]:
        """The last event, if this is the end: the record, or that there is none any more."""
        last_id = story.events[-1].id if story.events else last_id
        if not story.is_there:
            return [_done(last_id, {"id": job.id, "object": "video.deleted", "deleted": True})]
        if last_id and not (story.events and _is_final(story.events[-1])):
            return []
        try:
            job = await self.reader.get_owned(job.id, job.owner)
        except JobNotFound:
            return [_done(last_id, {"id": job.id, "object": "video.deleted", "deleted": True})]
        return [_done(last_id, self.show(job))] if job.state.is_final else []


def state_line(job: Job) -> bytes:
    """Where the video stands, for a listener who comes when its first events are no longer known. It has no id."""
    return _text("state", {"state": job.state, "attempt": job.attempt, "status": job.public_status})


def _line(event: Event) -> Line:
    said = event.said
    if "state" in said:
        return Line(event.id, _text("state", said, event.id))
    if "log" in said:
        return Line(event.id, _text("log", {"message": said["log"]}, event.id))
    if "preview" in said:
        return Line(event.id, _text("preview", said["preview"], event.id))
    return Line(event.id, _text("progress", said, event.id))


def _done(last_id: int, record: dict[str, Any]) -> Line:
    return Line(last_id + 1, _text("done", record, last_id + 1))


def _is_final(event: Event) -> bool:
    return "state" in event.said and State(event.said["state"]).is_final


def _text(name: str, data: dict[str, Any], event_id: int | None = None) -> bytes:
    """In the form of https://html.spec.whatwg.org/multipage/server-sent-events.html, JSON on one line."""
    number = "" if event_id is None else f"id: {event_id}\n"
    return f"{number}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
