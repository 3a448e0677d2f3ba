"""The video of a request, to be changed or continued: a file whose header is read here, or a finished video by its id.

Nothing is decoded in the front end; a file that cannot be is found out by the worker.
"""

import time
from dataclasses import dataclass

from easyanimate.geometry import FRAMES_PER_SLICE
from jobs.errors import InvalidRequest, JobNotFound
from jobs.mp4_header import Mp4Header, NotAnMp4, read_mp4_header
from jobs.record import Job
from jobs.states import State
from jobs.store import JobStore
from service.fields import Fields
from service.inputs import read_upload
from service.problems import Problem

MOST_PIXELS = 4096 * 2304  # of a frame
MOST_SECONDS = 600
MAX_ID_CHARS = 100


@dataclass(frozen=True)
class Clip:
    """A video as it is shown: sizes in pixels, `seconds` its playing time. Either `data` or `source` is there."""

    param: str
    width: int
    height: int
    seconds: float
    data: bytes | None = None
    source: Job | None = None

    def num_frames(self, fps: int) -> int:
        """How many frames it has at another rate."""
        return max(1, round(self.seconds * fps))


def read_clip(fields: Fields, store: JobStore, owner: str) -> Clip | None:
    """The video in these fields. Raises InvalidRequest `unsupported_video`, Problem."""
    if fields.get("video") is None:
        return None
    value = fields.get("video")
    if isinstance(value, dict) or (isinstance(value, str) and value.lstrip().startswith("{")):
        return _own(fields, store, owner)
    return _sent(read_upload(value, "video", "unsupported_video", "video, video/mp4"))


def own_video(store: JobStore, owner: str, video_id: str, param: str | None) -> Job:
    """The caller's finished video of this id. Raises Problem `video_not_found`, `video_not_ready`."""
    try:
        job = store.get_owned(video_id, owner)
    except JobNotFound as error:
        raise Problem("video_not_found", str(error), param) from error
    if job.state is not State.COMPLETED:
        message = f"{video_id} is {job.state}; only a completed video can be remixed, extended or edited"
        raise Problem("video_not_ready", message, param)
    return job


def _own(fields: Fields, store: JobStore, owner: str) -> Clip:
    reference = fields.part("video") or Fields({}, "video")
    reference.refuse_unknown(("id",))
    video_id = reference.text("id", MAX_ID_CHARS)
    if not video_id:
        raise InvalidRequest('video.id is missing, as in {"id": "video_…"}', "video.id")
    job = own_video(store, owner, video_id, "video.id")
    if job.has_expired(time.time()):
        raise Problem("asset_expired", f"the files of {video_id} were kept until its expires_at", "video.id")
    request = job.request
    if request.num_frames < FRAMES_PER_SLICE:
        raise _refused("video.id", "is a picture; download it and send it as image")
    return Clip("video.id", request.width, request.height, request.seconds, source=job)


def _sent(data: bytes) -> Clip:
    try:
        header = read_mp4_header(data)
    except NotAnMp4 as error:
        raise _refused("video", str(error)) from error
    seconds = float(header.num_frames / header.fps)
    _check(header, seconds)
    width, height = header.shown_size
    return Clip("video", width, height, seconds, data=data)


def _check(header: Mp4Header, seconds: float) -> None:
    if header.width * header.height > MOST_PIXELS:
        size = f"{header.width}x{header.height}"
        raise _refused("video", f"is {size}; at most {MOST_PIXELS} pixels a frame work, so send a smaller one")
    if seconds > MOST_SECONDS:
        raise _refused("video", f"plays for {seconds:g} s; at most {MOST_SECONDS} work, so send a part of it")


def _refused(param: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{param} {why}", param, "unsupported_video")
