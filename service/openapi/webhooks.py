"""The webhooks of the OpenAPI document: events that receivers get, and their responses. No route serves these."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel

from jobs.model.request import DEFAULT_WEBHOOK_EVENTS, WEBHOOK_EVENTS
from service.openapi.examples import CREATED_AT, VIDEO_ID

DESCRIPTIONS = {
    "video.queued": "A video waits for a worker, for the first time or again.",
    "video.started": "A worker has started the video.",
    "video.progress": "Progress of a video; at most twice a second, and some may be missing.",
    "video.completed": "The video is complete.",
    "video.failed": "The video has failed; `data.error` is the reason.",
    "video.cancelled": "The client has cancelled the video.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    "2XX": {"description": "Received; this event is not sent again."},
    410: {"description": "The endpoint is disabled; no more events are sent."},
    "default": {"description": "Not received; it is retried, ten times in total over three days."},
}


class EventError(BaseModel):
    """The reason of a failure."""

    code: str
    message: str


class EventVideo(BaseModel):
    """The video of an event; GET returns the whole record."""

    id: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    state: Literal["completed", "draft"] | None = None
    phase: str | None = None
    step: int | None = None
    total_steps: int | None = None
    error: EventError | None = None


class WebhookEvent(BaseModel):
    """The body of a webhook; id and body are the same on each retry."""

    id: str
    object: Literal["event"]
    type: str
    created_at: int
    timestamp: str
    data: EventVideo


@cache
def webhook_router() -> APIRouter:
    """A router that describes each event; applications share it."""
    router = APIRouter(tags=["webhooks"])
    for event_type in WEBHOOK_EVENTS:
        note = "" if event_type in DEFAULT_WEBHOOK_EVENTS else " Only if `events` contains it."
        router.add_api_route(
            event_type,
            _receiver(),
            methods=["POST"],
            name=event_type.replace(".", "_"),
            description=DESCRIPTIONS[event_type] + note,
            summary=DESCRIPTIONS[event_type].split(".")[0],
            responses=RESPONSES,
            status_code=204,
            openapi_extra={"requestBody": {"content": {"application/json": {"example": example(event_type)}}}},
        )
    return router


def example(event_type: str) -> dict[str, Any]:
    """An example body of this event."""
    status = {"video.queued": "queued", "video.completed": "completed", "video.failed": "failed"}
    data: dict[str, Any] = {"id": VIDEO_ID, "status": status.get(event_type, "in_progress")}
    if event_type == "video.completed":
        data["state"] = "completed"
    if event_type == "video.progress":
        data |= {"phase": "denoising", "step": 12, "total_steps": 30}
    if event_type in ("video.failed", "video.cancelled"):
        code = "cancelled" if event_type == "video.cancelled" else "gpu_out_of_memory"
        data |= {"status": "failed", "error": {"code": code, "message": "a sentence for the client"}}
    event = {"id": "evt_5f0e8d1c2b3a49586776a1b2", "object": "event", "type": event_type, "created_at": CREATED_AT}
    return {**event, "timestamp": "2026-11-22T20:40:00.000Z", "data": data}


def _receiver() -> Callable[..., None]:
    def receive(
        event: WebhookEvent,
        webhook_id: Annotated[str, Header(description="The id of the event, the same on each retry.")],
        webhook_timestamp: Annotated[int, Header(description="Unix seconds of this attempt; refuse old ones.")],
        webhook_signature: Annotated[
            str,
            Header(description="`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; a list with spaces."),
        ],
    ) -> None:
        """Described in the document, never called."""

    return receive
