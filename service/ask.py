"""The routes that ask for a video: create, edit, extend, remix. All of them answer with a durable record."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from jobs.errors import InvalidRequest, JobsError
from jobs.first_look import Offer
from jobs.idempotency import Claim
from jobs.record import Job
from service.admit import admit
from service.asker import Asker, AskerDep
from service.body import Body, BodyDep
from service.create import Wish, understand
from service.create_fields import CREATE, EDIT, EXTEND, REMIX, request_body
from service.examples import CREATE_EXAMPLES, EDIT_EXAMPLES, EXTEND_EXAMPLES, REMIX_EXAMPLES
from service.fields import Fields
from service.headers import sent
from service.lean_route import LeanRoute
from service.once import once
from service.openapi import accepted, errors
from service.prefer import Prefer, PreferDep
from service.remix import remix
from service.urgency import read_urgency
from service.videos import record_of
from service.waiting import is_final, wait_for

router = APIRouter(prefix="/v1/videos", tags=["videos"], route_class=LeanRoute)

Understood = Callable[[Fields, Offer], Wish]

OF_CREATE = errors(
    "invalid_request",
    "unknown_parameter",
    "invalid_size",
    "invalid_seconds",
    "unsupported_image",
    "unsupported_video",
    "url_not_allowed",
    "image_fetch_failed",
    "video_fetch_failed",
    "invalid_api_key",
    "video_not_found",
    "model_not_found",
    "lora_not_found",
    "file_not_found",
    "video_not_ready",
    "asset_expired",
    "payload_too_large",
    "unsupported_media_type",
    "idempotency_in_flight",
    "idempotency_key_reused",
    "rate_limited",
    "queue_full",
    "queue_unavailable",
    "storage_unavailable",
    "model_unavailable",
)


@router.post(
    "",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={
        **sent("Prefer", "Cancel-After", "Idempotency-Key"),
        "requestBody": request_body(CREATE, CREATE_EXAMPLES),
    },
)
async def create_video(asker: AskerDep, body: BodyDep, prefer: PreferDep) -> Response:
    """Ask for a video, as JSON or as a form. The answer is its record; the video is made when its turn comes."""
    return await _answer(asker, body, partial(understand, parts=asker.parts, owner=asker.owner, known=CREATE), prefer)


@router.post(
    "/edits",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={
        **sent("Prefer", "Cancel-After", "Idempotency-Key"),
        "requestBody": request_body(EDIT, EDIT_EXAMPLES, ("prompt", "video")),
    },
)
async def edit_video(asker: AskerDep, body: BodyDep, prefer: PreferDep) -> Response:
    """Change a video, all of it a little or one place entirely; what comes out is a new video."""

    def edited(fields: Fields, offer: Offer) -> Wish:
        if fields.get("video") is None:
            raise InvalidRequest('video is missing: the one to change, by {"id": …} or as a file', "video")
        return understand(fields, offer, asker.parts, asker.owner, EDIT)

    return await _answer(asker, body, edited, prefer)


@router.post(
    "/extensions",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={
        **sent("Prefer", "Cancel-After", "Idempotency-Key"),
        "requestBody": request_body(EXTEND, EXTEND_EXAMPLES, ("prompt", "video")),
    },
)
async def extend_video(asker: AskerDep, body: BodyDep, prefer: PreferDep) -> Response:
    """Go on from the last frames of a video. The new one has the old frames, and `num_frames` or `seconds` more."""
    wish = partial(understand, parts=asker.parts, owner=asker.owner, known=EXTEND, extends=True)
    return await _answer(asker, body, wish, prefer)


@router.post(
    "/{video_id}/remix",
    responses={**accepted(), **OF_CREATE},
    openapi_extra={
        **sent("Prefer", "Cancel-After", "Idempotency-Key"),
        "requestBody": request_body(REMIX, REMIX_EXAMPLES),
    },
)
async def remix_video(video_id: str, asker: AskerDep, body: BodyDep, prefer: PreferDep) -> Response:
    """The same video with another prompt: settings, seed and inputs are those of the first."""
    return await _answer(asker, body, partial(remix, parts=asker.parts, owner=asker.owner, video_id=video_id), prefer)


async def _answer(asker: Asker, body: Body, understood: Understood, prefer: Prefer) -> Response:
    """The record of the video, which was made before if the caller asked the same before.

    202 if the caller prefers not to wait for the end and it has not come.
    """
    job, was_there = await run_in_threadpool(_accepted, asker, body, understood)
    if prefer.wait_s:
        with suppress(JobsError):  # it is accepted, whatever becomes of the waiting
            job = await wait_for(asker.parts, job, prefer.wait_s, is_final)
    headers = {"Location": f"/v1/videos/{job.id}", **prefer.applied}
    if was_there:
        headers["Idempotency-Replayed"] = "true"
    status = 202 if prefer.is_async and not job.state.is_final else 200
    return record_of(job, asker.parts, extra=headers, status=status)


def _accepted(asker: Asker, body: Body, understood: Understood) -> tuple[Job, bool]:
    fields = Fields(body.fields())
    urgency = read_urgency(fields, asker.cancel_after)
    asked = asker.repeatable.asked(asker.owner, fields.values)

    def make(claim: Claim, offer: Offer) -> Job:
        return admit(asker, replace(understood(fields, offer), urgency=urgency), claim, offer)

    return once(asker.parts, asked, fields.get("model"), make)
