"""The routes of the videos there are: look, list, cancel, delete, download."""

import time
from pathlib import PurePosixPath
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from jobs.errors import InvalidRequest
from jobs.record import Job
from jobs.states import State
from jobs.storage import job_prefixes, manifest_key
from service.content import matches, stored_content
from service.fields import Fields
from service.headers import sent
from service.openapi import errors, not_modified, of_file, of_video
from service.parts import OwnerDep, Parts, PartsDep
from service.problems import Problem
from service.views import LINK_REFRESH_S, VideoDeleted, VideoList, etag, poll_after_ms, show

router = APIRouter(prefix="/v1/videos", tags=["videos"])

VARIANTS = ("video", "manifest")
LINK_LIFE_S = 2 * LINK_REFRESH_S
LIST_PARAMETERS = ("limit", "after", "order")
OF_ONE = ("invalid_api_key", "video_not_found", "queue_unavailable")
OF_LIST = errors("invalid_request", "unknown_parameter", "invalid_api_key", "video_not_found", "queue_unavailable")
OF_RECORD = ("ETag", "Cache-Control", "openai-poll-after-ms")
CANCELLED = ("in_progress", "cancelled")
OF_CONTENT = errors(*OF_ONE, "invalid_request", "video_not_ready", "asset_expired", "range_not_satisfiable")


@router.get("", responses={200: {"model": VideoList}, **OF_LIST})
def list_videos(
    request: Request,
    owner: OwnerDep,
    parts: PartsDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
    _order: Annotated[Literal["desc"], Query(alias="order")] = "desc",
) -> JSONResponse:
    """The caller's videos, newest first. `queue` is only told by the record of one video."""
    Fields(dict(request.query_params)).refuse_unknown(LIST_PARAMETERS)
    jobs = parts.store.newest(owner, limit + 1, after)
    data = [show(job, _link(job, parts)) for job in jobs[:limit]]
    ids = [video.id for video in data]
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    page = VideoList(data=data, first_id=first, last_id=last, has_more=len(jobs) > limit)
    return JSONResponse(page.model_dump(mode="json"))


@router.get(
    "/{video_id}",
    responses={200: of_video("The record", *OF_RECORD), 304: not_modified(), **errors(*OF_ONE)},
    openapi_extra=sent("If-None-Match"),
)
def read_video(video_id: str, request: Request, owner: OwnerDep, parts: PartsDep) -> Response:
    """How far a video has come. A failed one is an answer 200 too, with its `error`."""
    job = parts.store.get_owned(video_id, owner)
    return _record(job, request, parts)


@router.post(
    "/{video_id}/cancel",
    responses={200: of_video("The record", *OF_RECORD, states=CANCELLED), **errors(*OF_ONE, "not_cancellable")},
)
def cancel_video(video_id: str, request: Request, owner: OwnerDep, parts: PartsDep) -> Response:
    """Stop a video: a waiting one ends at once, a running one at its worker's next step. The record stays."""
    parts.store.get_owned(video_id, owner)
    return _record(parts.store.cancel(video_id), request, parts)


@router.delete("/{video_id}", responses={200: {"model": VideoDeleted}, **errors(*OF_ONE, "storage_unavailable")})
def delete_video(video_id: str, owner: OwnerDep, parts: PartsDep) -> JSONResponse:
    """Stop a video if need be, and erase its record and files."""
    parts.store.get_owned(video_id, owner)
    _erase_files(video_id, parts)  # before the record, so that a caller can try again if the storage is away
    parts.store.delete(video_id)
    _erase_files(video_id, parts)  # and after it: from here on no worker can commit another one
    return JSONResponse(VideoDeleted(id=video_id).model_dump())


@router.head("/{video_id}/content", include_in_schema=False)
@router.get(
    "/{video_id}/content",
    response_class=Response,
    responses={**of_file(), **OF_CONTENT},
    openapi_extra=sent("Range", "If-Range", "If-None-Match"),
)
def read_content(
    video_id: str,
    request: Request,
    owner: OwnerDep,
    parts: PartsDep,
    variant: str = "video",
    redirect: bool = False,
) -> Response:
    """The MP4 or PNG, whole or a `Range` of it, or how it was made; `redirect=1` leads to a link that needs no key."""
    if variant not in VARIANTS:
        raise InvalidRequest(f"variant must be {' or '.join(VARIANTS)} in this version, got {variant!r}", "variant")
    job = parts.store.get_owned(video_id, owner)
    if job.result is None:
        raise Problem("video_not_ready", _why_not_ready(job))
    key, name = job.result.video_key, _file_name(job)
    if variant == "manifest":
        key, name = manifest_key(key), f"{job.id}.json"
    if redirect:
        return RedirectResponse(parts.storage.url(key, LINK_LIFE_S, name), 302, {"Cache-Control": "no-store"})
    tag = f'"{job.result.content_sha256}"' if variant == "video" else None
    return stored_content(request, parts.storage, key, name, tag)


def _record(job: Job, request: Request, parts: Parts) -> Response:
    position = parts.store.queue_position(job) if job.state is State.QUEUED else None
    video = show(job, _link(job, parts), position)
    headers = {"ETag": etag(video, time.time()), "Cache-Control": "private, no-cache"}
    if (wait_ms := poll_after_ms(job, position)) is not None:
        headers["openai-poll-after-ms"] = str(wait_ms)
    if request.method == "GET" and matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return JSONResponse(video.model_dump(mode="json"), headers=headers)


def _file_name(job: Job) -> str:
    """What a caller's disk should call the result."""
    return f"{job.id}{PurePosixPath(job.request.result_name).suffix}"


def _link(job: Job, parts: Parts) -> str | None:
    if job.result is None:
        return None
    return parts.storage.url(job.result.video_key, LINK_LIFE_S, _file_name(job))


def _erase_files(video_id: str, parts: Parts) -> None:
    for prefix in job_prefixes(video_id):
        parts.storage.delete_prefix(prefix)


def _why_not_ready(job: Job) -> str:
    if job.failure:
        return f"there is no video, because the job {job.state}: {job.failure.message}"
    return f"the video is not ready, it is {job.state}; GET /v1/videos/{job.id} says how far it has come"
