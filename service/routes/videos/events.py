"""The route of a video's events (server-sent events); a client resumes with `Last-Event-ID`."""

import time
from collections.abc import AsyncIterator
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from jobs.errors import InvalidRequest, QueueUnavailable, RecordUnreadable
from jobs.model.job import Job
from jobs.queue.notifications import POLL_INTERVAL_S
from service.dependencies import EventsJobDep, ResourcesDep
from service.event_feed import EventFeed
from service.openapi.headers import request_headers, response_headers
from service.openapi.responses import VIDEO_ERRORS, errors
from service.resources import Resources
from service.schemas.video import record_json

router = APIRouter(prefix="/v1/videos", tags=["videos"])

COMMENT_INTERVAL_S = 15.0  # proxies close idle connections
RECONNECT_MS = 1000
MAX_ID_DIGITS = 18
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
ABOUT = "Server-sent events `state`, `progress`, `preview`, `log` and, at the end, `done` with the record."
EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Send the last one back as `Last-Event-ID`."},
        "event": {"enum": ["state", "progress", "preview", "log", "done"]},
        "data": {"type": "string", "description": "JSON; that of `done` is the record."},
    },
}
STREAM = {"text/event-stream": {"schema": EVENT}}


@router.get(
    "/{video_id}/events",
    response_class=Response,
    responses={
        200: {"description": ABOUT, "headers": response_headers("Cache-Control"), "content": STREAM},
        204: {"description": "No events follow `Last-Event-ID`: the stream has ended."},
        **errors(*VIDEO_ERRORS, "invalid_request", "forbidden"),
    },
    openapi_extra=request_headers("Last-Event-ID"),
)
async def listen(job: EventsJobDep, request: Request, resources: ResourcesDep) -> Response:
    """Streams the events of a video from its beginning, or after `Last-Event-ID`, until it has ended."""
    last_id = _last_event_id(request.headers.get("last-event-id"))
    if last_id and job.state.is_final and not await _has_events_after(resources, job, last_id):
        return Response(status_code=204)  # a browser's EventSource does not reconnect after it
    events = iter(()) if request.method == "HEAD" else _stream(resources, job, last_id)
    return StreamingResponse(events, 200, HEADERS, "text/event-stream")


async def _stream(resources: Resources, job: Job, last_id: int) -> AsyncIterator[bytes]:
    feed = EventFeed(resources.reader, job, last_id, partial(record_json, resources.links.of))
    comment_at = time.monotonic() + COMMENT_INTERVAL_S
    yield f"retry: {RECONNECT_MS}\n\n".encode()
    with resources.metrics.waiting.labels("events").track_inprogress():
        async with resources.notifications.subscribe(job.id) as subscription:
            while not (feed.has_ended or resources.stopping.is_set()):
                try:
                    if text := await feed.read():
                        yield text
                except QueueUnavailable:  # the stream continues when Redis is back
                    pass
                except RecordUnreadable:  # it was readable at first; a new request gets the reason
                    return
                if time.monotonic() >= comment_at:
                    yield b": still here\n\n"
                    comment_at = time.monotonic() + COMMENT_INTERVAL_S
                if not feed.has_ended:
                    await subscription.wait(min(POLL_INTERVAL_S, comment_at - time.monotonic()))


async def _has_events_after(resources: Resources, job: Job, last_id: int) -> bool:
    """Whether a final job has events after this one; the id of `done` is that of the last event plus one."""
    events = await resources.reader.events(job.id, 0)
    return not events or events[-1].id >= last_id


def _last_event_id(header: str | None) -> int:
    """The id of the last event that a listener received; 0 without one."""
    if not header:
        return 0
    if not (header.isascii() and header.isdecimal() and len(header) <= MAX_ID_DIGITS):
        raise InvalidRequest("Last-Event-ID must be the id of an event of this stream", "Last-Event-ID")
    return int(header)
