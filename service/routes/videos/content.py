"""The route of a video's files: the video itself, pictures of it, and how it was made."""

import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from jobs.model.job import Job, Result
from jobs.model.result_files import FILES, Variant, sibling_key
from service.dependencies import OwnerDep, ResourcesDep
from service.http.errors import ApiError
from service.http.ranges import range_response
from service.openapi.headers import request_headers
from service.openapi.responses import CONTENT_ERRORS, VIDEO_ERRORS, errors, file_responses
from service.schemas.links import LINK_LIFE_S, file_name

router = APIRouter(prefix="/v1/videos", tags=["videos"])

ABOUT_VARIANT = (
    "`thumbnail` is its middle frame (WebP), `spritesheet` up to 25 of its frames (JPEG), `preview` how it looks so "
    "far (WebP), `manifest` how it was made (JSON)."
)


@dataclass(frozen=True)
class _File:
    """Where it lies, what it shall be called, and its tag if the storage's own is not to be used."""

    key: str
    name: str
    etag: str | None = None


@router.head("/{video_id}/content", include_in_schema=False)
@router.get(
    "/{video_id}/content",
    response_class=Response,
    responses={**file_responses(), **errors(*VIDEO_ERRORS, *CONTENT_ERRORS, "invalid_request", "video_not_ready")},
    openapi_extra=request_headers("Range", "If-Range", "If-None-Match"),
)
def read_content(
    video_id: str,
    request: Request,
    owner: OwnerDep,
    resources: ResourcesDep,
    variant: Annotated[Variant, Query(description=ABOUT_VARIANT)] = Variant.VIDEO,
    redirect: bool = False,
) -> Response:
    """The MP4 or PNG, or what `variant` says, whole or a `Range`; `redirect=1` leads to a link that needs no key."""
    job = resources.store.get_owned(video_id, owner)
    refuse_expired(job)
    file = _preview(job) if variant is Variant.PREVIEW else _made(job, variant)
    if redirect:
        link = resources.storage.url(file.key, LINK_LIFE_S, file.name)
        return RedirectResponse(link, 302, {"Cache-Control": "no-store"})
    return range_response(request, resources.storage, file.key, file.name, file.etag)


def refuse_expired(job: Job) -> None:
    """Raise ApiError `asset_expired` if the files of a video are past their time."""
    if job.has_expired(time.time()):
        raise ApiError("asset_expired", f"the files of {job.id} were kept until its expires_at; make it again")


def why_not_ready(job: Job) -> str:
    """Why there is no finished video, in a sentence."""
    if job.failure:
        return f"there is no video, because the job {job.state}: {job.failure.message}"
    return f"the video is not ready, it is {job.state}; GET /v1/videos/{job.id} says how far it has come"


def _made(job: Job, variant: Variant) -> _File:
    """A file of a finished video."""
    result = _result(job)
    if variant is Variant.VIDEO:
        return _File(result.video_key, file_name(job), f'"{result.content_sha256}"')
    name = FILES[variant]
    return _File(sibling_key(result.video_key, name), _named(job, variant))


def _preview(job: Job) -> _File:
    """The latest preview; of a finished video its thumbnail, which shows the same better."""
    if job.result is not None:
        return _made(job, Variant.THUMBNAIL)
    if job.preview_key is None:
        message = "there is no preview yet; a request with previews {every_steps} has them from its first steps on"
        raise ApiError("video_not_ready", message)
    return _File(job.preview_key, _named(job, Variant.PREVIEW))


def _named(job: Job, variant: Variant) -> str:
    """What a caller's disk should call it."""
    ending = PurePosixPath(FILES[variant]).suffix
    return f"{job.id}{ending}" if variant is Variant.MANIFEST else f"{job.id}-{variant}{ending}"


def _result(job: Job) -> Result:
    if job.result is None:
        raise ApiError("video_not_ready", why_not_ready(job))
    return job.result
