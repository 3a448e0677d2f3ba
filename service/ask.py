"""The routes that ask for a video: create, edit, extend, remix. All of them answer with a durable record."""

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import JSONResponse

from jobs.errors import InvalidRequest
from service.admit import admit
from service.body import BodyDep
from service.create import Wish, understand
from service.create_fields import CREATE, EDIT, EXTEND, REMIX, request_body
from service.examples import CREATE_EXAMPLES, EDIT_EXAMPLES, EXTEND_EXAMPLES, REMIX_EXAMPLES
from service.fields import Fields
from service.openapi import accepted, errors
from service.parts import OwnerDep, Parts, PartsDep
from service.remix import remix
from service.views import show

router = APIRouter(prefix="/v1/videos", tags=["videos"])

Prefer = Annotated[str, Header(description="`respond-async`: answer with 202.", examples=["respond-async"])]

OF_CREATE = errors(
    "invalid_request",
    "unknown_parameter",
    "invalid_size",
    "invalid_seconds",
    "unsupported_image",
    "unsupported_video",
    "url_not_allowed",
    "invalid_api_key",
    "video_not_found",
    "model_not_found",
    "lora_not_found",
    "video_not_ready",
    "asset_expired",
    "payload_too_large",
    "unsupported_media_type",
    "queue_full",
    "queue_unavailable",
    "storage_unavailable",
    "model_unavailable",
)


@router.post(
    "", responses={**accepted(), **OF_CREATE}, openapi_extra={"requestBody": request_body(CREATE, CREATE_EXAMPLES)}
)
def create_video(owner: OwnerDep, parts: PartsDep, body: BodyDep, prefer: Prefer = "") -> JSONResponse:
    """Ask for a video, as JSON or as a form. The answer is its record; the video is made when its turn comes."""
    return _accepted(parts, owner, understand(Fields(body.fields()), parts, owner, CREATE), prefer)


@router.post(
    "/edits",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={"requestBody": request_body(EDIT, EDIT_EXAMPLES, ("prompt", "video"))},
)
def edit_video(owner: OwnerDep, parts: PartsDep, body: BodyDep, prefer: Prefer = "") -> JSONResponse:
    """Change a video, all of it a little or one place entirely; what comes out is a new video."""
    fields = Fields(body.fields())
    if fields.get("video") is None:
        raise InvalidRequest('video is missing: the one to change, by {"id": …} or as a file', "video")
    return _accepted(parts, owner, understand(fields, parts, owner, EDIT), prefer)


@router.post(
    "/extensions",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={"requestBody": request_body(EXTEND, EXTEND_EXAMPLES, ("prompt", "video"))},
)
def extend_video(owner: OwnerDep, parts: PartsDep, body: BodyDep, prefer: Prefer = "") -> JSONResponse:
    """Go on from the last frames of a video. The new one has the old frames, and `num_frames` or `seconds` more."""
    wish = understand(Fields(body.fields()), parts, owner, EXTEND, extends=True)
    return _accepted(parts, owner, wish, prefer)


@router.post(
    "/{video_id}/remix",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={"requestBody": request_body(REMIX, REMIX_EXAMPLES)},
)
def remix_video(video_id: str, owner: OwnerDep, parts: PartsDep, body: BodyDep, prefer: Prefer = "") -> JSONResponse:
    """The same video with another prompt: settings, seed and inputs are those of the first."""
    return _accepted(parts, owner, remix(Fields(body.fields()), parts, owner, video_id), prefer)


def _accepted(parts: Parts, owner: str, wish: Wish, prefer: str) -> JSONResponse:
    job = admit(parts, owner, wish)
    headers = {"Location": f"/v1/videos/{job.id}", "openai-poll-after-ms": "500"}
    is_async = "respond-async" in {word.strip().lower() for word in prefer.split(",")}
    if is_async:
        headers["Preference-Applied"] = "respond-async"
    return JSONResponse(show(job).model_dump(mode="json"), 202 if is_async else 200, headers)
