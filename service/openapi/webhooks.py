"""The webhooks in the OpenAPI document: what receivers get, and what they should answer. No route serves these."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import BaseModel

from jobs.model.request import DEFAULT_WEBHOOK_EVENTS, WEBHOOK_EVENTS
from service.openapi.examples import CREATED_AT, VIDEO_ID

WHEN = {
    "video.queued": "A video waits for a worker, at first or again.",
    "video.started": "A worker has taken the video.",
    "video.progress": "It goes on; at most twice a second, and some may be left out.",
    "video.completed": "The video is there.",
    "video.failed": "There will be no video; `data.error` says why.",
    "video.cancelled": "Its caller has stopped it.",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    "2XX": {"description": "Received; this event does not come again."},
    410: {"description": "Never send anything here again."},
    "default": {"description": "Not received: it is tried again, ten times in all over three days."},
}


class EventError(BaseModel):
    """Why there is no video."""

    code: str
    message: str


class EventVideo(BaseModel):
    """Which video, and how it stands; the rest is a GET away."""

    id: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    phase: str | None = None
    step: int | None = None
    total_steps: int | None = None
    error: EventError | None = None


class WebhookEvent(BaseModel):
    """What a receiver gets: the same id and body on every try."""

    id: str
    object: Literal["event"]
    type: str
    created_at: int
    timestamp: str
    data: EventVideo


def webhooks() -> APIRouter:
    """A description of every event."""
    router = APIRouter(tags=["webhooks"])
    for event_type in WEBHOOK_EVENTS:
        about = WHEN[event_type] + ("" if event_type in DEFAULT_WEBHOOK_EVENTS else " Only if asked for in `events`.")
        router.add_api_route(
            event_type,
            _receiver(),
            methods=["POST"],
            name=event_type.replace(".", "_"),
            description=about,
            summary=about.split(".")[0],
            responses=ANSWERS,
            status_code=204,
            openapi_extra={"requestBody": {"content": {"application/json": {"example": example(event_type)}}}},
        )
    return router


def example(event_type: str) -> dict[str, Any]:
    """What the receiver of such an event gets."""
    status = {"video.queued": "queued", "video.completed": "completed", "video.failed": "failed"}
    data: dict[str, Any] = {"id": VIDEO_ID, "status": status.get(event_type, "in_progress")}
    if event_type == "video.progress":
        data |= {"phase": "denoising", "step": 12, "total_steps": 30}
    if event_type in ("video.failed", "video.cancelled"):
        code = "cancelled" if event_type == "video.cancelled" else "gpu_out_of_memory"
        data |= {"status": "failed", "error": {"code": code, "message": "a sentence for the caller"}}
    event = {"id": "evt_5f0e8d1c2b3a49586776a1b2", "object": "event", "type": event_type, "created_at": CREATED_AT}
    return {**event, "timestamp": "2026-11-22T20:40:00.000Z", "data": data}


def _receiver() -> Callable[..., None]:
    def receive(
        event: WebhookEvent,
        webhook_id: Annotated[str, Header(description="The id of the event, the same on every try.")],
        webhook_timestamp: Annotated[int, Header(description="Unix seconds of this try; refuse what is old.")],
        webhook_signature: Annotated[
            str,
            Header(description="`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several by spaces."),
        ],
    ) -> None:
        """Described, never called."""

    return receive
