"""The route that changes a waiting video. Its path matches all names below `/v1/videos`, so its router is the last."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from jobs.model.job import Job
from service.dependencies import BodyDep, JobDep, ResourcesDep
from service.http.fields import validate
from service.openapi.examples import UPDATE_EXAMPLES
from service.openapi.request_bodies import json_or_form_body
from service.openapi.responses import BODY_ERRORS, VIDEO_ERRORS, errors, video_response
from service.routes.durable_route import DurableRoute
from service.routes.videos.videos import QueueStatus, record_response
from service.schemas.requests.update import UpdateVideo
from service.submission.deadline import Schedule

router = APIRouter(prefix="/v1/videos", tags=["videos"], route_class=DurableRoute)

HEADERS = ("ETag", "Cache-Control", "openai-poll-after-ms", "Retry-After")


@router.post(
    "/{video_id}",
    responses={
        200: video_response("The record", *HEADERS, states=["queued"]),
        **errors(*VIDEO_ERRORS, *BODY_ERRORS, "video_not_waiting", "not_durable"),
    },
    openapi_extra=json_or_form_body(UpdateVideo, UPDATE_EXAMPLES, frozenset()),
)
async def update_video(job: JobDep, fields: BodyDep, resources: ResourcesDep) -> Response:
    """Changes priority, deadline and metadata of a waiting video. A repeat of the same request changes nothing more.

    A video that runs or has ended is refused with `video_not_waiting`.
    """
    body = validate(UpdateVideo, fields)
    updated = await run_in_threadpool(
        resources.store.update_waiting, job.id, lambda current, now: _updated(current, body, now)
    )
    place = await resources.reader.place(updated)
    return record_response(updated, resources, QueueStatus(place, await resources.reader.load(updated.request.model)))


def _updated(job: Job, body: UpdateVideo, now: float) -> Job:
    """The job with the changes of the body. Raises InvalidRequest."""
    changes = body.model_dump(include=body.model_fields_set & {"priority", "deadline"})
    if body.deadline is not None and body.deadline != job.deadline:
        Schedule(deadline_s=body.deadline).deadline(now)
    if body.metadata is not None:
        changes["request"] = job.request.model_copy(update={"metadata": body.metadata})
    return job.evolve(**changes)
