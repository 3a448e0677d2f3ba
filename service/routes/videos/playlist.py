"""The route of the HLS playlist of a long video: its finished segments, while the video is running."""

from fastapi import APIRouter
from starlette.responses import Response

from jobs.model.job import Job
from jobs.model.result_files import MAX_SEGMENT_S, SEGMENT_LIST, Segment, sibling_key
from jobs.model.states import State
from jobs.storage.interface import Storage
from service.dependencies import PlaylistJobDep, ResourcesDep
from service.http.errors import ApiError
from service.openapi.headers import response_headers
from service.openapi.responses import VIDEO_ERRORS, errors
from service.routes.videos.content import refuse_expired, why_not_ready
from service.web.links import playlist_lifetime_s

router = APIRouter(prefix="/v1/videos", tags=["videos"])

LIST_TAG = "#EXT-X-EASYANIMATE-SIGNED-LIST"  # players ignore unknown tags (RFC 8216, 6.3.1)
MEDIA_TYPE = "application/vnd.apple.mpegurl"
ABOUT = (
    "An HLS playlist (RFC 8216) with links to MPEG-TS segments that need no key. It ends when the video is complete."
)
CONTENT = {MEDIA_TYPE: {"schema": {"type": "string"}}}


@router.get(
    "/{video_id}/playlist.m3u8",
    response_class=Response,
    responses={
        200: {"description": ABOUT, "headers": response_headers("Cache-Control"), "content": CONTENT},
        **errors(*VIDEO_ERRORS, "playlist_not_found", "video_not_ready", "asset_expired", "forbidden"),
    },
)
def read_playlist(job: PlaylistJobDep, resources: ResourcesDep) -> Response:
    """Returns the playlist of a long video. It starts at the first segment and grows until the video is complete."""
    now = resources.clock.estimate()
    refuse_expired(job, now)
    if not job.watchable:
        raise _no_segments(job)
    return Response(playlist(job, resources.storage, now), 200, {"Cache-Control": "no-store"}, MEDIA_TYPE)


def playlist(job: Job, storage: Storage, now: float) -> str:
    """The playlist in the format of RFC 8216. It only grows; the signatures of its links change.

    A tag names the signed list of the segments (`easyanimate/provenance/segment_list.py`).

    `now` in unix seconds.
    """
    life_s = playlist_lifetime_s(job, now)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{MAX_SEGMENT_S}",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=0",
    ]
    if all(segment.sha256 for segment in job.watchable):  # older releases signed no list
        key = sibling_key(job.watchable[0].key, SEGMENT_LIST)
        lines.append(f'{LIST_TAG}:URI="{storage.url(key, life_s, f"{job.id}-{SEGMENT_LIST}")}"')
    for segment in job.watchable:
        lines += [f"#EXTINF:{segment.num_frames / job.request.fps:.5f},", _link(job, segment, storage, life_s)]
    if job.state is State.COMPLETED:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _link(job: Job, segment: Segment, storage: Storage, life_s: int) -> str:
    return storage.url(segment.key, life_s, f"{job.id}-{segment.key.rpartition('/')[2]}")


def _no_segments(job: Job) -> ApiError:
    if job.state is State.COMPLETED:
        message = f"this video has one window and therefore no playlist; GET /v1/videos/{job.id}/content serves it"
        return ApiError("playlist_not_found", message)
    if job.state.is_final:
        return ApiError("video_not_ready", why_not_ready(job))
    return ApiError("video_not_ready", f"no segment is finished yet, the video is {job.state}; retry later")
