"""The route that serves the files of a video: MP4, thumbnail, spritesheet, preview and manifest."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from jobs.model.job import Job
from jobs.model.result_files import FILES, Variant, sibling_key
from service.dependencies import JobDep, ResourcesDep
from service.http.errors import ApiError
from service.http.ranges import range_response
from service.openapi.headers import request_headers
from service.openapi.responses import CONTENT_ERRORS, VIDEO_ERRORS, errors, file_responses
from service.schemas.video import LINK_LIFETIME_S
from service.web.links import file_name

router = APIRouter(prefix="/v1/videos", tags=["videos"])

ABOUT_VARIANT = (
    "`thumbnail`: the middle frame (WebP). `spritesheet`: up to 25 frames (JPEG). `preview`: the latest preview of a "
    "running video (WebP). `manifest`: settings and versions (JSON)."
)


@dataclass(frozen=True)
class _File:
    """The storage key of a file, its name for downloads, and an ETag in place of that of the storage."""

    key: str
    name: str
    etag: str | None = None


@router.get(
    "/{video_id}/content",
    response_class=Response,
    responses={**file_responses(), **errors(*VIDEO_ERRORS, *CONTENT_ERRORS, "invalid_request", "video_not_ready")},
    openapi_extra=request_headers("Range", "If-Range", "If-None-Match"),
)
def read_content(
    job: JobDep,
    request: Request,
    resources: ResourcesDep,
    variant: Annotated[Variant, Query(description=ABOUT_VARIANT)] = Variant.VIDEO,
    redirect: bool = False,
) -> Response:
    """Serves the MP4 or PNG, or another `variant`, whole or as a `Range`. `redirect=1` leads to a link without key."""
    refuse_expired(job, resources.clock.estimate())
    file = _preview(job) if variant is Variant.PREVIEW else _result_file(job, variant)
    if redirect:
        link = resources.storage.url(file.key, LINK_LIFETIME_S, file.name)
        return RedirectResponse(link, 302, {"Cache-Control": "no-store"})
    return range_response(request, resources.storage, file.key, file.name, file.etag)


def refuse_expired(job: Job, now: float) -> None:
    """Raises ApiError `asset_expired` if the files of the video have expired at `now` (unix seconds)."""
    if job.has_expired(now):
        raise ApiError("asset_expired", f"the files of {job.id} were kept until its expires_at; create the video again")


def why_not_ready(job: Job) -> str:
    """The reason why there is no finished video."""
    if job.failure:
        return f"there is no video, the job is {job.state}: {job.failure.message}"
    return f"the video is not ready, it is {job.state}; GET /v1/videos/{job.id} shows its progress"


def _result_file(job: Job, variant: Variant) -> _File:
    """A file of a finished video."""
    if (result := job.result) is None:
        raise ApiError("video_not_ready", why_not_ready(job))
    if variant is Variant.VIDEO:
        return _File(result.video_key, file_name(job), f'"{result.content_sha256}"')
    return _File(sibling_key(result.video_key, FILES[variant]), _download_name(job, variant))


def _preview(job: Job) -> _File:
    """The latest preview; for a finished video its thumbnail."""
    if job.result is not None:
        return _result_file(job, Variant.THUMBNAIL)
    if job.preview_key is None:
        message = "there is no preview yet; a request with previews {every_steps} writes them while it runs"
        raise ApiError("video_not_ready", message)
    return _File(job.preview_key, _download_name(job, Variant.PREVIEW))


def _download_name(job: Job, variant: Variant) -> str:
    """The file name for downloads."""
    suffix = PurePosixPath(FILES[variant]).suffix
    return f"{job.id}{suffix}" if variant is Variant.MANIFEST else f"{job.id}-{variant}{suffix}"
