"""The routes that create videos: create, edit, extend, remix and promote. All of them respond with a durable record."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from jobs.access.idempotency import Claim
from jobs.errors import JobsError
from jobs.model.job import Job
from jobs.store.callers.async_submission import ModelOffer
from service.dependencies import BodyDep
from service.http.fields import validate
from service.http.prefer import Prefer, PreferDep
from service.moderation import moderate
from service.openapi.examples import CREATE_EXAMPLES, EDIT_EXAMPLES, EXTEND_EXAMPLES, PROMOTE_EXAMPLES, REMIX_EXAMPLES
from service.openapi.headers import request_headers
from service.openapi.request_bodies import json_or_form_body
from service.openapi.responses import SUBMIT_ERRORS, accepted_responses, errors
from service.resources import Resources
from service.routes.videos.videos import record_response
from service.schemas.requests.create import INPUT_FIELDS, CreateVideo
from service.schemas.requests.derived import EditVideo, ExtendVideo, PromoteVideo, RemixVideo
from service.schemas.requests.generation import ScheduledRequest
from service.submission.admission import admit_jobs
from service.submission.build import Submission, build_promotion, build_remix, build_submission
from service.submission.deadline import Schedule, read_schedule
from service.submission.films import build_film, build_film_remix
from service.submission.idempotency import run_once
from service.submission.submitter import Submitter, SubmitterDep
from service.waiting import is_final, wait_for
from service.web.links import relative_reference

router = APIRouter(prefix="/v1/videos", tags=["videos"])

Body = TypeVar("Body", bound=ScheduledRequest)
RESPONSES = {**accepted_responses(), **errors(*SUBMIT_ERRORS)}
BLOCKING_FIELDS = INPUT_FIELDS | {"shots", "webhook"}  # they read storage or Redis, or resolve names


def _documented(model: type[ScheduledRequest], examples: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    headers = request_headers("Prefer", "Cancel-After", "Idempotency-Key")
    return headers | json_or_form_body(model, examples, INPUT_FIELDS)


@router.post("", responses=RESPONSES, openapi_extra=_documented(CreateVideo, CREATE_EXAMPLES))
async def create_video(submitter: SubmitterDep, fields: BodyDep, prefer: PreferDep) -> Response:
    """Creates a video from JSON or a form. The response is its record; a worker generates the video later."""
    is_blocking = not BLOCKING_FIELDS.isdisjoint(fields)
    build = build_submission if fields.get("shots") is None else build_film
    return await _submit(submitter, fields, CreateVideo, build, prefer, is_blocking=is_blocking)


@router.post("/edits", responses=RESPONSES, openapi_extra=_documented(EditVideo, EDIT_EXAMPLES))
async def edit_video(submitter: SubmitterDep, fields: BodyDep, prefer: PreferDep) -> Response:
    """Changes a whole video a little, or the masked part of it completely; the result is a new video."""
    return await _submit(submitter, fields, EditVideo, build_submission, prefer)


@router.post("/extensions", responses=RESPONSES, openapi_extra=_documented(ExtendVideo, EXTEND_EXAMPLES))
async def extend_video(submitter: SubmitterDep, fields: BodyDep, prefer: PreferDep) -> Response:
    """Continues a video. The new one has its frames, followed by `num_frames` or `seconds` more."""
    return await _submit(submitter, fields, ExtendVideo, build_submission, prefer)


@router.post("/{video_id}/remix", responses=RESPONSES, openapi_extra=_documented(RemixVideo, REMIX_EXAMPLES))
async def remix_video(video_id: str, submitter: SubmitterDep, fields: BodyDep, prefer: PreferDep) -> Response:
    """Generates a video again with another prompt; settings, seed and inputs are those of the first.

    Of a film, `shots` has the shots that change. Where stored windows are reused, only the windows whose inputs changed
    are generated; `windows_made` and `windows_reused` of the record count them.
    """
    build = build_remix if fields.get("shots") is None else build_film_remix
    return await _submit(submitter, fields, RemixVideo, partial(build, video_id=video_id), prefer)


@router.post("/{video_id}/promote", responses=RESPONSES, openapi_extra=_documented(PromoteVideo, PROMOTE_EXAMPLES))
async def promote_video(video_id: str, submitter: SubmitterDep, fields: BodyDep, prefer: PreferDep) -> Response:
    """Finishes a draft: the new video continues its steps, and equals one that was requested without a draft.

    On a worker with another model, device or version it starts at step 0 with the same seed; `draft_reused` says so.
    """
    return await _submit(submitter, fields, PromoteVideo, partial(build_promotion, video_id=video_id), prefer)


async def _submit(
    submitter: Submitter,
    fields: Mapping[str, Any],
    model: type[Body],
    build: Callable[[Resources, str, Body, ModelOffer], Submission],
    prefer: Prefer,
    *,
    is_blocking: bool = True,
) -> Response:
    """Admits the submission of a body, once for the same request; `is_blocking` work runs in a thread."""
    is_blocking = is_blocking or submitter.is_long
    identify = partial(submitter.idempotency.identify, submitter.owner, fields)
    key = await run_in_threadpool(identify) if is_blocking else identify()

    def understand(offer: ModelOffer) -> tuple[Submission, Schedule]:
        body = validate(model, fields)
        schedule = read_schedule(body, submitter.cancel_after)
        return build(submitter.resources, submitter.owner, body, offer), schedule

    async def create(claim: Claim, offer: ModelOffer) -> Job:
        submission, schedule = await run_in_threadpool(understand, offer) if is_blocking else understand(offer)
        if submitter.resources.moderator is not None:
            await moderate(submitter.resources, submitter.owner, submission)
        return await admit_jobs(submitter, submission, schedule, claim, offer)

    job, is_replay = await run_once(submitter.resources, key, fields.get("model"), create, submitter.refusal)
    return await _accepted(submitter, job, prefer, is_replay=is_replay)


async def _accepted(submitter: Submitter, job: Job, prefer: Prefer, *, is_replay: bool) -> Response:
    """The record of an accepted job, after its end if the caller waits; 202 for `respond-async` before its end."""
    if prefer.wait_s:
        with suppress(JobsError):  # the job is accepted, even if waiting fails
            job = await wait_for(submitter.resources, job, prefer.wait_s, is_final)
    headers = {"Location": relative_reference(submitter.path, f"{router.prefix}/{job.id}"), **prefer.applied}
    if is_replay:
        headers["Idempotency-Replayed"] = "true"
    status = 202 if prefer.is_async and not job.state.is_final else 200
    return record_response(job, submitter.resources, extra=headers, status=status)
