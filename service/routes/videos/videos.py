"""The routes of the videos there are: look, list, cancel, delete, download."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from jobs.model.job import Job, PublicStatus
from jobs.queue.fair_queue import QueuePosition
from jobs.queue.load import Load
from jobs.storage.paths import job_prefixes
from jobs.store.attempt_log import Attempt
from jobs.store.callers.reader import JobVersion, ListQuery, Page
from service.dependencies import OwnerDep, ResourcesDep
from service.http.fields import Fields
from service.http.prefer import PreferDep
from service.http.ranges import matches
from service.openapi.headers import request_headers, response_headers
from service.openapi.responses import QUERY_ERRORS, VIDEO_ERRORS, errors, not_modified, video_response
from service.resources import Resources
from service.schemas.links import download_url
from service.schemas.video import VideoDeleted, VideoList, etag, poll_after_ms, to_video
from service.waiting import Condition, is_final, wait_for

router = APIRouter(prefix="/v1/videos", tags=["videos"])

LIST_PARAMETERS = ("limit", "after", "order", "status")
OF_RECORD = ("ETag", "Cache-Control", "openai-poll-after-ms", "Retry-After", "Preference-Applied")
CANCELLED = ("in_progress", "cancelled")


@router.get(
    "",
    responses={200: {"model": VideoList, "headers": response_headers("Link")}, **errors(*VIDEO_ERRORS, *QUERY_ERRORS)},
)
async def list_videos(
    request: Request,
    owner: OwnerDep,
    resources: ResourcesDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
    order: Literal["asc", "desc"] = "desc",
    status: PublicStatus | None = None,
) -> Response:
    """The caller's videos by time of creation, newest first. `queue` is only told by the record of one video."""
    Fields(dict(request.query_params)).refuse_unknown(LIST_PARAMETERS)
    page = await resources.reader.page(owner, ListQuery(limit, after, order == "desc", status))
    return await run_in_threadpool(_listed, page, request, resources)


@router.get(
    "/{video_id}",
    responses={200: video_response("The record", *OF_RECORD), 304: not_modified(), **errors(*VIDEO_ERRORS)},
    openapi_extra=request_headers("If-None-Match", "Prefer"),
)
async def read_video(
    video_id: str, request: Request, owner: OwnerDep, resources: ResourcesDep, prefer: PreferDep
) -> Response:
    """How far a video has come. A failed one is an answer 200 too, with its `error`.

    `Prefer: wait=N` answers when it has ended, or, with `If-None-Match`, when anything has changed; after N seconds in
    any case.
    """
    known = request.headers.get("if-none-match")
    seen = await resources.reader.snapshot(video_id, owner)
    if prefer.wait_s:
        job = await wait_for(resources, seen.job, prefer.wait_s, _is_new(resources, known) if known else is_final)
        standing = await _standing(job, await resources.reader.place(job), resources)
        return record_of(job, resources, standing, known, prefer.applied)
    if known and matches(known, tag := etag(seen.version, time.time())):
        return Response(status_code=304, headers=_headers(tag, seen.version))
    job = seen.job
    return record_of(job, resources, await _standing(job, seen.version.place, resources), known)


@router.post(
    "/{video_id}/cancel",
    responses={
        200: video_response("The record", *OF_RECORD, states=CANCELLED),
        **errors(*VIDEO_ERRORS, "not_cancellable"),
    },
)
async def cancel_video(video_id: str, owner: OwnerDep, resources: ResourcesDep) -> Response:
    """Stop a video: a waiting one ends at once, a running one at its worker's next step. The record stays."""
    job = await resources.reader.get_owned(video_id, owner)
    return record_of(await run_in_threadpool(resources.store.cancel, job.id), resources)


@router.delete("/{video_id}", responses={200: {"model": VideoDeleted}, **errors(*VIDEO_ERRORS, "storage_unavailable")})
def delete_video(video_id: str, owner: OwnerDep, resources: ResourcesDep) -> JSONResponse:
    """Stop a video if need be, and erase its record and files."""
    resources.store.get_owned(video_id, owner)
    _erase_files(video_id, resources)  # before the record, so that a caller can try again if the storage is away
    resources.store.delete(video_id)
    _erase_files(video_id, resources)  # and after it: from here on no worker can commit another one
    return JSONResponse(VideoDeleted(id=video_id).model_dump())


@dataclass(frozen=True)
class Standing:
    """Where a job is in its queue, and how busy its model is; None where that does not matter."""

    place: QueuePosition | None = None
    load: Load | None = None


async def _standing(job: Job, place: QueuePosition | None, resources: Resources) -> Standing:
    if job.state.is_final:
        return Standing()
    return Standing(place, await resources.reader.load(job.request.model))


def record_of(
    job: Job,
    resources: Resources,
    standing: Standing | None = None,
    known: str | None = None,
    extra: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The record as an answer, with its `standing`; 304 if the caller's `known` tag is still right."""
    standing = standing or Standing()
    glance = JobVersion(job.version, job.state, standing.place)
    headers = {**_headers(etag(glance, time.time()), glance), **(extra or {})}
    if matches(known, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    video = to_video(job, download_url(job, resources.storage), standing.place, standing.load)
    return Response(video.model_dump_json(), status, headers, "application/json")


def _headers(tag: str, glance: JobVersion) -> dict[str, str]:
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if (wait_ms := poll_after_ms(glance)) is not None:
        headers |= {"openai-poll-after-ms": str(wait_ms), "Retry-After": str(ceil(wait_ms / 1000))}
    return headers


def _is_new(resources: Resources, known: str) -> Condition:
    """Whether the record is another than the one of the `known` tag."""

    async def look(job: Job) -> bool:
        glance = JobVersion(job.version, job.state, await resources.reader.place(job))
        return not matches(known, etag(glance, time.time()))

    return look


def _listed(page: Page, request: Request, resources: Resources) -> Response:
    data = [to_video(job, download_url(job, resources.storage)) for job in page.jobs]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    shown = VideoList(data=data, first_id=first, last_id=last, has_more=page.has_more)
    headers = {}
    if page.has_more and last:
        query = urlencode({**request.query_params, "after": last})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return Response(shown.model_dump_json(), 200, headers, "application/json")


def _erase_files(video_id: str, resources: Resources) -> None:
    for prefix in job_prefixes(video_id):
        resources.storage.delete_prefix(prefix)


class AttemptList(BaseModel):
    """Every attempt at a video, the first one first."""

    object: str = "list"
    data: list[Attempt]


@router.get("/{video_id}/attempts", responses=errors(*VIDEO_ERRORS))
def list_attempts(video_id: str, owner: OwnerDep, resources: ResourcesDep) -> AttemptList:
    """Every attempt at a video: its worker, the seconds of its phases, how it ended."""
    job = resources.store.get_owned(video_id, owner)
    return AttemptList(data=resources.store.attempts(job.id))
