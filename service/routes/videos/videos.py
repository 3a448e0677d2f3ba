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
from jobs.queue.fair_queue import Place
from jobs.queue.load import Load
from jobs.storage.paths import job_prefixes
from jobs.store.attempt_log import Attempt
from jobs.store.callers.reader import Glance, Page, Wanted
from service.dependencies import OwnerDep, PartsDep
from service.http.fields import Fields
from service.http.lean_route import LeanRoute
from service.http.prefer import PreferDep
from service.http.ranges import matches
from service.openapi.headers import sent, told
from service.openapi.responses import errors, not_modified, of_video
from service.resources import Parts
from service.schemas.links import link
from service.schemas.video import VideoDeleted, VideoList, etag, poll_after_ms, show
from service.waiting import Enough, is_final, wait_for

router = APIRouter(prefix="/v1/videos", tags=["videos"])
polled = APIRouter(prefix="/v1/videos", tags=["videos"], route_class=LeanRoute)

LIST_PARAMETERS = ("limit", "after", "order", "status")
OF_ONE = ("invalid_api_key", "video_not_found", "queue_unavailable")
OF_LIST = errors("invalid_request", "unknown_parameter", "invalid_api_key", "video_not_found", "queue_unavailable")
OF_RECORD = ("ETag", "Cache-Control", "openai-poll-after-ms", "Retry-After", "Preference-Applied")
CANCELLED = ("in_progress", "cancelled")


@router.get("", responses={200: {"model": VideoList, "headers": told("Link")}, **OF_LIST})
async def list_videos(
    request: Request,
    owner: OwnerDep,
    parts: PartsDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
    order: Literal["asc", "desc"] = "desc",
    status: PublicStatus | None = None,
) -> Response:
    """The caller's videos by time of creation, newest first. `queue` is only told by the record of one video."""
    Fields(dict(request.query_params)).refuse_unknown(LIST_PARAMETERS)
    page = await parts.reader.page(owner, Wanted(limit, after, order == "desc", status))
    return await run_in_threadpool(_listed, page, request, parts)


@polled.get(
    "/{video_id}",
    responses={200: of_video("The record", *OF_RECORD), 304: not_modified(), **errors(*OF_ONE)},
    openapi_extra=sent("If-None-Match", "Prefer"),
)
async def read_video(video_id: str, request: Request, owner: OwnerDep, parts: PartsDep, prefer: PreferDep) -> Response:
    """How far a video has come. A failed one is an answer 200 too, with its `error`.

    `Prefer: wait=N` answers when it has ended, or, with `If-None-Match`, when anything has changed; after N seconds in
    any case.
    """
    known = request.headers.get("if-none-match")
    seen = await parts.reader.see(video_id, owner)
    if prefer.wait_s:
        job = await wait_for(parts, seen.job, prefer.wait_s, _is_new(parts, known) if known else is_final)
        standing = await _standing(job, await parts.reader.place(job), parts)
        return record_of(job, parts, standing, known, prefer.applied)
    if known and matches(known, tag := etag(seen.glance, time.time())):
        return Response(status_code=304, headers=_headers(tag, seen.glance))
    job = seen.job
    return record_of(job, parts, await _standing(job, seen.glance.place, parts), known)


@router.post(
    "/{video_id}/cancel",
    responses={200: of_video("The record", *OF_RECORD, states=CANCELLED), **errors(*OF_ONE, "not_cancellable")},
)
async def cancel_video(video_id: str, owner: OwnerDep, parts: PartsDep) -> Response:
    """Stop a video: a waiting one ends at once, a running one at its worker's next step. The record stays."""
    job = await parts.reader.get_owned(video_id, owner)
    return record_of(await run_in_threadpool(parts.store.cancel, job.id), parts)


@router.delete("/{video_id}", responses={200: {"model": VideoDeleted}, **errors(*OF_ONE, "storage_unavailable")})
def delete_video(video_id: str, owner: OwnerDep, parts: PartsDep) -> JSONResponse:
    """Stop a video if need be, and erase its record and files."""
    parts.store.get_owned(video_id, owner)
    _erase_files(video_id, parts)  # before the record, so that a caller can try again if the storage is away
    parts.store.delete(video_id)
    _erase_files(video_id, parts)  # and after it: from here on no worker can commit another one
    return JSONResponse(VideoDeleted(id=video_id).model_dump())


@dataclass(frozen=True)
class Standing:
    """Where a job is in its queue, and how busy its model is; None where that does not matter."""

    place: Place | None = None
    load: Load | None = None


async def _standing(job: Job, place: Place | None, parts: Parts) -> Standing:
    if job.state.is_final:
        return Standing()
    return Standing(place, await parts.reader.load(job.request.model))


def record_of(
    job: Job,
    parts: Parts,
    standing: Standing | None = None,
    known: str | None = None,
    extra: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The record as an answer, with its `standing`; 304 if the caller's `known` tag is still right."""
    standing = standing or Standing()
    glance = Glance(job.version, job.state, standing.place)
    headers = {**_headers(etag(glance, time.time()), glance), **(extra or {})}
    if matches(known, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    video = show(job, link(job, parts.storage), standing.place, standing.load)
    return Response(video.model_dump_json(), status, headers, "application/json")


def _headers(tag: str, glance: Glance) -> dict[str, str]:
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if (wait_ms := poll_after_ms(glance)) is not None:
        headers |= {"openai-poll-after-ms": str(wait_ms), "Retry-After": str(ceil(wait_ms / 1000))}
    return headers


def _is_new(parts: Parts, known: str) -> Enough:
    """Whether the record is another than the one of the `known` tag."""

    async def look(job: Job) -> bool:
        glance = Glance(job.version, job.state, await parts.reader.place(job))
        return not matches(known, etag(glance, time.time()))

    return look


def _listed(page: Page, request: Request, parts: Parts) -> Response:
    data = [show(job, link(job, parts.storage)) for job in page.jobs]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    shown = VideoList(data=data, first_id=first, last_id=last, has_more=page.has_more)
    headers = {}
    if page.has_more and last:
        query = urlencode({**request.query_params, "after": last})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return Response(shown.model_dump_json(), 200, headers, "application/json")


def _erase_files(video_id: str, parts: Parts) -> None:
    for prefix in job_prefixes(video_id):
        parts.storage.delete_prefix(prefix)


class AttemptList(BaseModel):
    """Every attempt at a video, the first one first."""

    object: str = "list"
    data: list[Attempt]


@router.get("/{video_id}/attempts", responses=errors("invalid_api_key", "video_not_found", "queue_unavailable"))
def list_attempts(video_id: str, owner: OwnerDep, parts: PartsDep) -> AttemptList:
    """Every attempt at a video: its worker, the seconds of its phases, how it ended."""
    job = parts.store.get_owned(video_id, owner)
    return AttemptList(data=parts.store.attempts(job.id))
