"""The routes that ask for a video: create, edit, extend, remix. All of them answer with a durable record."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import JSONResponse

from jobs.errors import InvalidRequest
from service.admit import admit
from service.asker import Asker, AskerDep
from service.body import BodyDep
from service.create import Wish, understand
from service.create_fields import CREATE, EDIT, EXTEND, REMIX, request_body
from service.examples import CREATE_EXAMPLES, EDIT_EXAMPLES, EXTEND_EXAMPLES, REMIX_EXAMPLES
from service.fields import Fields
from service.once import once
from service.openapi import accepted, errors
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
    "idempotency_in_flight",
    "idempotency_key_reused",
    "queue_full",
    "queue_unavailable",
    "storage_unavailable",
    "model_unavailable",
)


@router.post(
    "", responses={**accepted(), **OF_CREATE}, openapi_extra={"requestBody": request_body(CREATE, CREATE_EXAMPLES)}
)
def create_video(asker: AskerDep, body: BodyDep, prefer: Prefer = "") -> JSONResponse:
    """Ask for a video, as JSON or as a form. The answer is its record; the video is made when its turn comes."""
    fields = Fields(body.fields())
    return _answer(asker, fields, lambda: understand(fields, asker.parts, asker.owner, CREATE), prefer)


@router.post(
    "/edits",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={"requestBody": request_body(EDIT, EDIT_EXAMPLES, ("prompt", "video"))},
)
def edit_video(asker: AskerDep, body: BodyDep, prefer: Prefer = "") -> JSONResponse:
    """Change a video, all of it a little or one place entirely; what comes out is a new video."""
    fields = Fields(body.fields())
    if fields.get("video") is None:
        raise InvalidRequest('video is missing: the one to change, by {"id": …} or as a file', "video")
    return _answer(asker, fields, lambda: understand(fields, asker.parts, asker.owner, EDIT), prefer)


@router.post(
    "/extensions",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={"requestBody": request_body(EXTEND, EXTEND_EXAMPLES, ("prompt", "video"))},
)
def extend_video(asker: AskerDep, body: BodyDep, prefer: Prefer = "") -> JSONResponse:
    """Go on from the last frames of a video. The new one has the old frames, and `num_frames` or `seconds` more."""
    fields = Fields(body.fields())
    wish = partial(understand, fields, asker.parts, asker.owner, EXTEND, extends=True)
    return _answer(asker, fields, wish, prefer)


@router.post(
    "/{video_id}/remix",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={"requestBody": request_body(REMIX, REMIX_EXAMPLES)},
)
def remix_video(video_id: str, asker: AskerDep, body: BodyDep, prefer: Prefer = "") -> JSONResponse:
    """The same video with another prompt: settings, seed and inputs are those of the first."""
    fields = Fields(body.fields())
    return _answer(asker, fields, lambda: remix(fields, asker.parts, asker.owner, video_id), prefer)


def _answer(asker: Asker, fields: Fields, understood: Callable[[], Wish], prefer: str) -> JSONResponse:
    """The record of the video, which was made before if the caller asked the same before."""
    asked = asker.repeatable.asked(asker.owner, fields.values)
    job, was_there = once(asker.parts, asked, lambda claim: admit(asker.parts, understood(), claim))
    headers = {"Location": f"/v1/videos/{job.id}", "openai-poll-after-ms": "500"}
    if was_there:
        headers["Idempotency-Replayed"] = "true"
    is_async = "respond-async" in {word.strip().lower() for word in prefer.split(",")}
    if is_async:
        headers["Preference-Applied"] = "respond-async"
    return JSONResponse(show(job).model_dump(mode="json"), 202 if is_async else 200, headers)
