"""The route of a video's events, sent as they happen; a listener that was cut off goes on where it was."""

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from jobs.errors import InvalidRequest
from jobs.model.job import Job
from service.dependencies import OwnerDep, ResourcesDep
from service.event_feed import state_line
from service.openapi.headers import request_headers, response_headers
from service.openapi.responses import VIDEO_ERRORS, errors
from service.resources import Resources

router = APIRouter(prefix="/v1/videos", tags=["videos"])

COMMENT_EVERY_S = 15.0  # keeps proxies from thinking that nobody is there
COME_BACK_MS = 1000
MAX_DIGITS = 18
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
ABOUT = "Server-sent events `state`, `progress`, `preview`, `log` and, at the end, `done` with the record."
EVENT = {  # one of the stream
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
        204: {"description": "There is nothing after `Last-Event-ID`, and there never will be."},
        **errors(*VIDEO_ERRORS, "invalid_request"),
    },
    openapi_extra=request_headers("Last-Event-ID"),
)
async def listen(video_id: str, request: Request, owner: OwnerDep, resources: ResourcesDep) -> Response:
    """What happens to a video, from its beginning or after `Last-Event-ID`, until it has ended."""
    after = _last_event_id(request.headers.get("last-event-id"))
    job = await resources.reader.get_owned(video_id, owner)
    if after and job.state.is_final and not await _is_something_left(resources, job, after):
        return Response(status_code=204)  # for a browser's EventSource: do not come back
    return StreamingResponse(_stream(resources, job, after), 200, HEADERS, "text/event-stream")


async def _stream(resources: Resources, job: Job, after: int) -> AsyncIterator[bytes]:
    feed = resources.feeds.join(job)
    comment_at = time.monotonic() + COMMENT_EVERY_S
    try:
        yield f"retry: {COME_BACK_MS}\n\n".encode()
        await feed.wait(after, 1.0)
        if not (after or feed.is_whole):
            yield state_line(job)
        while True:
            if lines := feed.after(after):
                after = lines[-1].id
                yield b"".join(line.text for line in lines)
            elif feed.is_closing or (feed.has_ended and feed.last_id <= after):
                return
            if time.monotonic() >= comment_at:
                yield b": still here\n\n"
                comment_at = time.monotonic() + COMMENT_EVERY_S
            await feed.wait(after, comment_at - time.monotonic())
    finally:
        resources.feeds.leave(job, feed)


async def _is_something_left(resources: Resources, job: Job, after: int) -> bool:
    story = await resources.reader.events(job.id, 0)
    return not story.events or story.events[-1].id >= after


def _last_event_id(given: str | None) -> int:
    """The id of the last event a listener has; 0 for one that has none."""
    if not given:
        return 0
    if not (given.isascii() and given.isdecimal() and len(given) <= MAX_DIGITS):
        raise InvalidRequest("Last-Event-ID must be the id of an event of this stream", "Last-Event-ID")
    return int(given)
