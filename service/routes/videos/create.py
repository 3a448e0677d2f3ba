"""The routes that ask for a video: create, edit, extend, remix. All of them answer with a durable record."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from jobs.access.idempotency import Claim, IdempotencyKey
from jobs.errors import InvalidRequest, JobsError
from jobs.model.job import Job
from jobs.store.callers.async_submission import ModelOffer
from service.dependencies import BodyDep
from service.http.body import Body
from service.http.fields import Fields
from service.http.prefer import Prefer, PreferDep
from service.openapi.examples import CREATE_EXAMPLES, EDIT_EXAMPLES, EXTEND_EXAMPLES, REMIX_EXAMPLES
from service.openapi.headers import request_headers
from service.openapi.responses import SUBMIT_ERRORS, accepted_responses, errors
from service.routes.videos.videos import record_of
from service.schemas.create import CREATE, EDIT, EXTEND, QUICK, REMIX, request_body
from service.submission.admission import admit_jobs
from service.submission.build import Submission, build_submission, remix
from service.submission.deadline import Schedule, read_schedule
from service.submission.idempotency import run_once
from service.submission.submitter import Submitter, SubmitterDep
from service.waiting import is_final, wait_for

router = APIRouter(prefix="/v1/videos", tags=["videos"])


@dataclass(frozen=True)
class Reading:
    """How the fields of a request become a wish. With none but `quick` fields it takes no time, and needs no thread."""

    wish: Callable[[Fields, ModelOffer], Submission]
    quick: Collection[str] = ()

    def is_quick(self, fields: Fields) -> bool:
        """Whether nothing has to be waited for."""
        return all(name in self.quick for name in fields.values)


@router.post(
    "",
    responses={**accepted_responses(), **errors(*SUBMIT_ERRORS)},
    openapi_extra={
        **request_headers("Prefer", "Cancel-After", "Idempotency-Key"),
        "requestBody": request_body(CREATE, CREATE_EXAMPLES),
    },
)
async def create_video(asker: SubmitterDep, body: BodyDep, prefer: PreferDep) -> Response:
    """Ask for a video, as JSON or as a form. The answer is its record; the video is made when its turn comes."""
    wish = partial(build_submission, resources=asker.resources, owner=asker.owner, known=CREATE)
    return await _answer(asker, body, Reading(wish, QUICK), prefer)


@router.post(
    "/edits",
    responses={**accepted_responses(), **errors(*SUBMIT_ERRORS)},
    openapi_extra={
        **request_headers("Prefer", "Cancel-After", "Idempotency-Key"),
        "requestBody": request_body(EDIT, EDIT_EXAMPLES, ("prompt", "video")),
    },
)
async def edit_video(asker: SubmitterDep, body: BodyDep, prefer: PreferDep) -> Response:
    """Change a video, all of it a little or one place entirely; what comes out is a new video."""

    def edited(fields: Fields, offer: ModelOffer) -> Submission:
        if fields.get("video") is None:
            raise InvalidRequest('video is missing: the one to change, by {"id": …} or as a file', "video")
        return build_submission(fields, offer, asker.resources, asker.owner, EDIT)

    return await _answer(asker, body, Reading(edited), prefer)


@router.post(
    "/extensions",
    responses={**accepted_responses(), **errors(*SUBMIT_ERRORS)},
    openapi_extra={
        **request_headers("Prefer", "Cancel-After", "Idempotency-Key"),
        "requestBody": request_body(EXTEND, EXTEND_EXAMPLES, ("prompt", "video")),
    },
)
async def extend_video(asker: SubmitterDep, body: BodyDep, prefer: PreferDep) -> Response:
    """Go on from the last frames of a video. The new one has the old frames, and `num_frames` or `seconds` more."""
    wish = partial(build_submission, resources=asker.resources, owner=asker.owner, known=EXTEND, extends=True)
    return await _answer(asker, body, Reading(wish), prefer)


@router.post(
    "/{video_id}/remix",
    responses={**accepted_responses(), **errors(*SUBMIT_ERRORS)},
    openapi_extra={
        **request_headers("Prefer", "Cancel-After", "Idempotency-Key"),
        "requestBody": request_body(REMIX, REMIX_EXAMPLES),
    },
)
async def remix_video(video_id: str, asker: SubmitterDep, body: BodyDep, prefer: PreferDep) -> Response:
    """The same video with another prompt: settings, seed and inputs are those of the first."""
    wish = partial(remix, resources=asker.resources, owner=asker.owner, video_id=video_id)
    return await _answer(asker, body, Reading(wish), prefer)


async def _answer(asker: Submitter, body: Body, reading: Reading, prefer: Prefer) -> Response:
    """The record of the video, which was made before if the caller asked the same before.

    202 if the caller prefers not to wait for the end and it has not come.
    """
    job, was_there = await _accepted(asker, body, reading)
    if prefer.wait_s:
        with suppress(JobsError):  # it is accepted, whatever becomes of the waiting
            job = await wait_for(asker.resources, job, prefer.wait_s, is_final)
    headers = {"Location": f"/v1/videos/{job.id}", **prefer.applied}
    if was_there:
        headers["Idempotency-Replayed"] = "true"
    status = 202 if prefer.is_async and not job.state.is_final else 200
    return record_of(job, asker.resources, extra=headers, status=status)


async def _accepted(asker: Submitter, body: Body, reading: Reading) -> tuple[Job, bool]:
    fields, urgency, asked = await _where(body.is_short)(_opened, asker, body)
    look = _where(body.is_short and reading.is_quick(fields))

    async def make(claim: Claim, offer: ModelOffer) -> Job:
        wish = await look(reading.wish, fields, offer)
        return await admit_jobs(asker, replace(wish, urgency=urgency), claim, offer)

    return await run_once(asker.resources, asked, fields.get("model"), make)


def _opened(asker: Submitter, body: Body) -> tuple[Fields, Schedule, IdempotencyKey]:
    fields = Fields(body.fields())
    return fields, read_schedule(fields, asker.cancel_after), asker.repeatable.asked(asker.owner, fields.values)


def _where(is_quick: bool) -> Callable[..., Awaitable[Any]]:
    """What runs a function: a thread, or this very moment."""
    return _at_once if is_quick else run_in_threadpool


async def _at_once(call: Callable[..., Any], *arguments: Any) -> Any:
    return call(*arguments)
