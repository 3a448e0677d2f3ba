"""The route of a long video's playlist: what is finished of it, to be watched while the rest is being made (HLS)."""

import time
from math import ceil

from fastapi import APIRouter
from starlette.responses import Response

from jobs.model.job import Job
from jobs.model.result_files import MAX_SEGMENT_S, Segment
from jobs.model.states import State
from jobs.storage.interface import Storage
from service.dependencies import OwnerDep, ResourcesDep
from service.http.errors import ApiError
from service.openapi.headers import response_headers
from service.openapi.responses import VIDEO_ERRORS, errors
from service.routes.videos.content import refuse_expired, why_not_ready
from service.schemas.links import link_life_s

router = APIRouter(prefix="/v1/videos", tags=["videos"])

MEDIA_TYPE = "application/vnd.apple.mpegurl"
ABOUT = (
    "An HLS playlist (RFC 8216) with links to MPEG-TS segments that need no key; it ends when the video is complete."
)
CONTENT = {MEDIA_TYPE: {"schema": {"type": "string"}}}


@router.get(
    "/{video_id}/playlist.m3u8",
    response_class=Response,
    responses={
        200: {"description": ABOUT, "headers": response_headers("Cache-Control"), "content": CONTENT},
        **errors(*VIDEO_ERRORS, "playlist_not_found", "video_not_ready", "asset_expired"),
    },
)
def read_playlist(video_id: str, owner: OwnerDep, resources: ResourcesDep) -> Response:
    """What there is of a long video: players begin at its start, and come back for more until it is complete."""
    job = resources.store.get_owned(video_id, owner)
    refuse_expired(job)
    if not job.watchable:
        raise _nothing_there(job)
    return Response(playlist(job, resources.storage), 200, {"Cache-Control": "no-store"}, MEDIA_TYPE)


def playlist(job: Job, storage: Storage) -> str:
    """As RFC 8216 has it. It only grows; what changes from one time to the next are the signatures of its links."""
    life_s = link_life_s(job, time.time()) + ceil(job.request.seconds)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{MAX_SEGMENT_S}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=0",
    ]
    for segment in job.watchable:
        lines += [f"#EXTINF:{segment.num_frames / job.request.fps:.5f},", _link(job, segment, storage, life_s)]
    if job.state is State.COMPLETED:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _link(job: Job, segment: Segment, storage: Storage, life_s: int) -> str:
    return storage.url(segment.key, life_s, f"{job.id}-{segment.key.rpartition('/')[2]}")


def _nothing_there(job: Job) -> ApiError:
    if job.state is State.COMPLETED:
        message = f"this video was made in one piece and has no playlist; GET /v1/videos/{job.id}/content gives it"
        return ApiError("playlist_not_found", message)
    if job.state.is_final:
        return ApiError("video_not_ready", why_not_ready(job))
    return ApiError("video_not_ready", f"nothing of it can be watched yet, it is {job.state}; come back in a while")
