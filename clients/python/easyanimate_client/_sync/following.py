"""Following a video until it has ended: by its events, or by polls."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from easyanimate_client._sync.http import Http, json_object
from easyanimate_client.decoding import decode
from easyanimate_client.errors import (
    ApiError,
    ConnectionFailed,
    NoEventStream,
    RequestTimedOut,
    VideoDeleted,
    WaitTimedOut,
)
from easyanimate_client.inputs import route
from easyanimate_client.options import STREAM_TIMEOUT_S, Call
from easyanimate_client.records import Video
from easyanimate_client.retries import poll_delay_s
from easyanimate_client.server_sent_events import Event, EventParser

FINAL = ("completed", "failed")
MIN_STREAM_S = 20.0  # with less time left polls are used: a stream may be silent for 15 s
OnEvent = Callable[[Event], object]


def stream_events(http: Http, video_id: str, last_event_id: str | None) -> Generator[Event | None, None, None]:
    """The events of a video until `done`; None for bytes without an event. An interrupted stream continues.

    Raises NoEventStream.
    """
    path, failures = route("/v1/videos/{}/events", video_id), 0
    while True:
        resume = {"Last-Event-ID": last_event_id} if last_event_id else {}
        call = Call("GET", path, headers={"Accept": "text/event-stream", **resume}, timeout_s=STREAM_TIMEOUT_S)
        parser = EventParser()
        try:
            with http.stream(call) as response:
                if response.status_code == 204:
                    return
                _check_type(response.headers.get("content-type", ""))
                for chunk in response.iter_bytes():
                    yield None
                    for event in parser.feed(chunk):
                        failures, last_event_id = 0, event.id or last_event_id
                        yield event
                        if event.type == "done":
                            return
            raise ConnectionFailed("the event stream ended before the video")
        except (ApiError, ConnectionFailed) as error:
            if isinstance(error, RequestTimedOut) and not parser.has_bytes:
                raise NoEventStream("the event stream is silent") from error
            failures += 1
            http.wait_after(error, call, failures)


def _check_type(content_type: str) -> None:
    if not content_type.startswith("text/event-stream"):
        raise NoEventStream(f"the answer is {content_type or 'of no type'}, not an event stream")


@dataclass(frozen=True)
class Deadline:
    """The end of a wait; `timeout_s` None is no end."""

    video_id: str
    timeout_s: float | None
    started_at: float

    @property
    def left_s(self) -> float:
        """The seconds that are left."""
        return float("inf") if self.timeout_s is None else self.started_at + self.timeout_s - time.monotonic()

    def check(self) -> None:
        """Raises WaitTimedOut after the end."""
        if self.timeout_s is not None and self.left_s <= 0:
            raise WaitTimedOut(self.video_id, self.timeout_s)


def follow(http: Http, video_id: str, timeout_s: float | None, on_event: OnEvent | None) -> Video:
    """The final record of a video. Raises VideoDeleted, WaitTimedOut."""
    deadline = Deadline(video_id, timeout_s, time.monotonic())
    return _follow_events(http, deadline, on_event) or _poll(http, deadline)


def _follow_events(http: Http, deadline: Deadline, on_event: OnEvent | None) -> Video | None:
    """The record in the event `done`; None if the time is too short, or the stream has no such event."""
    if deadline.left_s < MIN_STREAM_S:
        return None
    for event in _available(stream_events(http, deadline.video_id, None)):
        if event is not None:
            if on_event is not None:
                on_event(event)
            if event.type == "done":
                return _final(event)
        if deadline.left_s < MIN_STREAM_S:
            return None
    return None


def _available(events: Generator[Event | None, None, None]) -> Generator[Event | None, None, None]:
    """The events until the stream fails for good. Polls then show whether the service itself is away."""
    with closing(events):
        try:
            for event in events:
                yield event
        except (ApiError, ConnectionFailed, NoEventStream):
            return


def _final(event: Event) -> Video:
    if event.video is None:
        raise VideoDeleted(f"{event.data.get('id')} was deleted")
    return event.video


def _poll(http: Http, deadline: Deadline) -> Video:
    """The final record, by polls at the pace that the service advises."""
    path = route("/v1/videos/{}", deadline.video_id)
    while True:
        response = http.send(Call("GET", path))
        video = decode(Video, json_object(response))
        if video.status in FINAL:
            return video
        deadline.check()
        time.sleep(min(poll_delay_s(response.headers), max(deadline.left_s, 0.0)))
