"""The routes that list, read, cancel and delete videos, and list their attempts."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from jobs.errors import RecordUnreadable
from jobs.model.job import Job, PublicStatus
from jobs.queue.fair_queue import QueuePosition
from jobs.queue.load import Load
from jobs.storage.paths import job_prefixes
from jobs.store.attempt_log import Attempt
from jobs.store.callers.job_list import ListQuery, Page
from jobs.store.callers.reader import JobVersion
from service.dependencies import JobDep, OwnerDep, ResourcesDep
from service.http.fields import check_query
from service.http.prefer import PreferDep
from service.http.ranges import matches
from service.openapi.headers import request_headers, response_headers
from service.openapi.responses import QUERY_ERRORS, VIDEO_ERRORS, errors, not_modified, video_response
from service.resources import Resources
from service.routes.durable_route import DurableRoute
from service.schemas.pages import After, empty_as
from service.schemas.video import VideoDeleted, VideoList, etag, poll_after_ms, to_video
from service.waiting import Condition, is_final, wait_for

router = APIRouter(prefix="/v1/videos", tags=["videos"], route_class=DurableRoute)

LIST_PARAMETERS = ("limit", "after", "order", "status")
RECORD_HEADERS = ("ETag", "Cache-Control", "openai-poll-after-ms", "Retry-After", "Preference-Applied")
CANCEL_STATES = ("in_progress", "cancelled")


@router.get(
    "",
    responses={200: {"model": VideoList, "headers": response_headers("Link")}, **errors(*VIDEO_ERRORS, *QUERY_ERRORS)},
)
async def list_videos(
    request: Request,
    owner: OwnerDep,
    resources: ResourcesDep,
    limit: Annotated[int, empty_as(20), Query(ge=1, le=100)] = 20,
    after: After = None,
    order: Annotated[Literal["asc", "desc"], empty_as("desc")] = "desc",
    status: Annotated[PublicStatus | None, empty_as(None)] = None,
) -> Response:
    """Lists the caller's videos by time of creation, newest first. Only the record of one video has `queue`."""
    check_query(request.query_params, LIST_PARAMETERS)
    await resources.clock.now()  # its estimate decides which links are shown
    page = await resources.reader.page(owner, ListQuery(limit, after, order == "desc", status))
    return await run_in_threadpool(_list_response, page, request, resources)


@router.get(
    "/{video_id}",
    responses={200: video_response("The record", *RECORD_HEADERS), 304: not_modified(), **errors(*VIDEO_ERRORS)},
    openapi_extra=request_headers("If-None-Match", "Prefer"),
)
async def read_video(
    video_id: str, request: Request, owner: OwnerDep, resources: ResourcesDep, prefer: PreferDep
) -> Response:
    """Returns the record of a video, with its progress. A failed video has status 200 too, and an `error`.

    `Prefer: wait=N` waits up to N seconds for the end of the video, or for any change with `If-None-Match`.
    """
    if_none_match = request.headers.get("if-none-match")
    snapshot = await resources.reader.snapshot(video_id, owner)
    if prefer.wait_s:
        condition = _has_changed(resources, if_none_match) if if_none_match else is_final
        job = await wait_for(resources, await resources.reader.parse(snapshot), prefer.wait_s, condition)
        queue_status = await _queue_status(job, await resources.reader.place(job), resources)
        return record_response(job, resources, queue_status, if_none_match, prefer.applied)
    current_etag = etag(snapshot.version, await resources.clock.now())
    if matches(if_none_match, current_etag):
        return Response(status_code=304, headers=_headers(current_etag, snapshot.version))
    job = await resources.reader.parse(snapshot)
    queue_status = await _queue_status(job, snapshot.version.place, resources)
    return record_response(job, resources, queue_status, if_none_match)


@router.post(
    "/{video_id}/cancel",
    responses={
        200: video_response("The record", *RECORD_HEADERS, states=CANCEL_STATES),
        **errors(*VIDEO_ERRORS, "not_cancellable", "not_durable"),
    },
)
async def cancel_video(job: JobDep, resources: ResourcesDep) -> Response:
    """Cancels a video: a queued one at once, a running one at its next step. The record stays."""
    return record_response(await run_in_threadpool(resources.store.cancel, job.id), resources)


@router.delete(
    "/{video_id}",
    responses={200: {"model": VideoDeleted}, **errors(*VIDEO_ERRORS, "storage_unavailable", "not_durable")},
)
def delete_video(video_id: str, owner: OwnerDep, resources: ResourcesDep) -> JSONResponse:
    """Deletes the record and the files of a video; cancels it first if it has not ended.

    This also works where every other request answers `record_unreadable`.
    """
    with suppress(RecordUnreadable):
        resources.store.get_owned(video_id, owner)
    _delete_files(video_id, resources)  # before the record: if storage fails, the client can retry
    resources.store.delete_owned(video_id, owner)
    _delete_files(video_id, resources)  # and after it: from here on no worker can commit a file
    return JSONResponse(VideoDeleted(id=video_id).model_dump())


@dataclass(frozen=True)
class QueueStatus:
    """The place of a job in its queue and the load of its model; None if it has ended."""

    place: QueuePosition | None = None
    load: Load | None = None


async def _queue_status(job: Job, place: QueuePosition | None, resources: Resources) -> QueueStatus:
    if job.state.is_final:
        return QueueStatus()
    return QueueStatus(place, await resources.reader.load(job.request.model))


def record_response(
    job: Job,
    resources: Resources,
    queue_status: QueueStatus | None = None,
    if_none_match: str | None = None,
    extra: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """A response with the record; 304 if `if_none_match` matches its ETag."""
    queue_status = queue_status or QueueStatus()
    version = JobVersion(job.version, job.state, queue_status.place)
    headers = {**_headers(etag(version, resources.clock.estimate()), version), **(extra or {})}
    if matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    video = to_video(job, resources.links.of(job), queue_status.place, queue_status.load)
    return Response(video.model_dump_json(), status, headers, "application/json")


def _headers(current_etag: str, version: JobVersion) -> dict[str, str]:
    headers = {"ETag": current_etag, "Cache-Control": "private, no-cache"}
    if (wait_ms := poll_after_ms(version)) is not None:
        headers |= {"openai-poll-after-ms": str(wait_ms), "Retry-After": str(ceil(wait_ms / 1000))}
    return headers


def _has_changed(resources: Resources, if_none_match: str) -> Condition:
    """Whether the ETag of the record no longer matches."""

    async def condition(job: Job) -> bool:
        version = JobVersion(job.version, job.state, await resources.reader.place(job))
        return not matches(if_none_match, etag(version, resources.clock.estimate()))

    return condition


def _list_response(page: Page, request: Request, resources: Resources) -> Response:
    data = [to_video(job, resources.links.of(job)) for job in page.jobs]
    videos = VideoList.of(data, has_more=page.has_more)
    headers = {}
    if page.has_more and videos.last_id:
        query = urlencode({**request.query_params, "after": videos.last_id})
        headers["Link"] = f'<?{query}>; rel="next"'
    return Response(videos.model_dump_json(), 200, headers, "application/json")


def _delete_files(video_id: str, resources: Resources) -> None:
    for prefix in job_prefixes(video_id):
        resources.storage.delete_prefix(prefix)


class AttemptList(BaseModel):
    """All attempts at a video, oldest first."""

    object: str = "list"
    data: list[Attempt]


@router.get("/{video_id}/attempts", responses=errors(*VIDEO_ERRORS))
async def list_attempts(job: JobDep, resources: ResourcesDep) -> AttemptList:
    """Lists the attempts at a video: worker, seconds per phase and outcome."""
    return AttemptList(data=await resources.reader.attempts(job.id))
