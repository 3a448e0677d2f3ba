"""The source video of a request: a completed video by its id, or a file that is described as a player shows it.

Only the header and the first frame are decoded here; the worker finds files whose other frames are damaged.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.media.description import VideoDescription
from jobs.errors import InvalidRequest, JobNotFound
from jobs.model.job import Job
from jobs.model.states import State
from jobs.store.callers.submission import CallerJobs
from jobs.warning_texts import DEINTERLACED, HDR_MAPPED
from service.http.errors import ApiError
from service.http.fields import validate
from service.inputs.kinds import VIDEO
from service.inputs.media import refused
from service.inputs.resolver import InputResolver, parse_reference
from service.schemas.requests.parts import VideoReference


@dataclass(frozen=True)
class SourceVideo:
    """A source video: its `data`, or the `job` that made it.

    Its size is in pixels as displayed, `seconds` is its playing time, `fps` are its frames per second on average.
    `warnings` name what the worker changes in its pictures.
    """

    param: str
    width: int
    height: int
    seconds: Fraction
    fps: Fraction
    data: bytes | None = None
    job: Job | None = None
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    def num_frames(self, fps: int) -> int:
        """The number of its frames at another rate."""
        return max(1, round(self.seconds * fps))


def read_source_video(value: Any, store: CallerJobs, resolver: InputResolver) -> SourceVideo:
    """The source video in the field `video`. Raises InvalidRequest `unsupported_video`, ApiError."""
    value = parse_reference(value, "video")
    if isinstance(value, dict):
        value = validate(VideoReference, value, "video")
        if value.file_id is None and value.video_url is None:
            return _completed(value.id, store, resolver.owner)
        if value.id is not None:
            raise InvalidRequest("video needs one of id, video_url and file_id", "video", reason="one_reference")
    data = resolver.read_video(value, "video")
    return _described(resolver.media.read_video(data, "video"), data)


def _described(video: VideoDescription, data: bytes) -> SourceVideo:
    warnings = []
    if video.colors.is_hdr:
        warnings.append(HDR_MAPPED.fill(transfer=video.colors.transfer.upper()))
    if video.is_interlaced:
        warnings.append(DEINTERLACED.fill())
    size = (video.width, video.height)
    return SourceVideo("video", *size, video.duration, video.frame_rate, data=data, warnings=tuple(warnings))


def get_completed_video(store: CallerJobs, owner: str, video_id: str, param: str | None) -> Job:
    """The caller's completed video with this id. Raises ApiError `video_not_found`, `video_not_ready`."""
    try:
        job = store.get_owned(video_id, owner)
    except JobNotFound as error:
        raise ApiError("video_not_found", str(error), param) from error
    if job.public_state is State.DRAFT:
        message = f"{video_id} is a draft; finish it with POST /v1/videos/{video_id}/promote first"
        raise ApiError("video_not_ready", message, param)
    if job.state is not State.COMPLETED:
        message = f"{video_id} is {job.state}; only a completed video can be remixed, extended or edited"
        raise ApiError("video_not_ready", message, param)
    return job


def _completed(video_id: str | None, store: CallerJobs, owner: str) -> SourceVideo:
    if not video_id:
        raise InvalidRequest('video.id is missing, as in {"id": "video_…"}', "video.id", reason="missing")
    job = get_completed_video(store, owner, video_id, "video.id")
    if job.has_expired(store.table.now()):
        raise ApiError("asset_expired", f"the files of {video_id} were kept until its expires_at", "video.id")
    request = job.request
    if request.num_frames < FRAMES_PER_SLICE:
        raise refused("video.id", "is an image; download it and send it as image", VIDEO)
    seconds = Fraction(request.num_frames, request.fps)
    return SourceVideo("video.id", request.width, request.height, seconds, Fraction(request.fps), job=job)
