"""The video of a request, to be changed or continued: a file whose header is read here, or a finished video by its id.

Nothing is decoded in the front end; a file that cannot be is found out by the worker.
"""

import time
from dataclasses import dataclass

from easyanimate.geometry import FRAMES_PER_SLICE
from jobs.errors import InvalidRequest, JobNotFound
from jobs.model.job import Job
from jobs.model.states import State
from jobs.store.keeper.recovery import JobStore
from service.http.body import read_json
from service.http.errors import ApiError
from service.http.fields import Fields
from service.inputs.kinds import VIDEO
from service.inputs.resolver import MAX_ID_CHARS, InputResolver
from service.inputs.video_header import read_video_header, video_refused


@dataclass(frozen=True)
class SourceVideo:
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


def read_source_video(fields: Fields, store: JobStore, door: InputResolver) -> SourceVideo | None:
    """The video in these fields. Raises InvalidRequest `unsupported_video`, ApiError."""
    value = fields.get("video")
    if value is None:
        return None
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = read_json(value, "video")
    if isinstance(value, dict) and not {VIDEO.url_field, "file_id"} & value.keys():
        return _own(Fields(value, "video"), store, door.owner)
    return _sent(door.read(value, "video", VIDEO))


def get_own_video(store: JobStore, owner: str, video_id: str, param: str | None) -> Job:
    """The caller's finished video of this id. Raises ApiError `video_not_found`, `video_not_ready`."""
    try:
        job = store.get_owned(video_id, owner)
    except JobNotFound as error:
        raise ApiError("video_not_found", str(error), param) from error
    if job.state is not State.COMPLETED:
        message = f"{video_id} is {job.state}; only a completed video can be remixed, extended or edited"
        raise ApiError("video_not_ready", message, param)
    return job


def _own(reference: Fields, store: JobStore, owner: str) -> SourceVideo:
    reference.refuse_unknown(("id", "file_id", VIDEO.url_field))
    video_id = reference.text("id", MAX_ID_CHARS)
    if not video_id:
        raise InvalidRequest('video.id is missing, as in {"id": "video_…"}', "video.id")
    job = get_own_video(store, owner, video_id, "video.id")
    if job.has_expired(time.time()):
        raise ApiError("asset_expired", f"the files of {video_id} were kept until its expires_at", "video.id")
    request = job.request
    if request.num_frames < FRAMES_PER_SLICE:
        raise video_refused("video.id", "is a picture; download it and send it as image")
    return SourceVideo("video.id", request.width, request.height, request.seconds, source=job)


def _sent(data: bytes) -> SourceVideo:
    header = read_video_header(data, "video")
    width, height = header.shown_size
    return SourceVideo("video", width, height, float(header.num_frames / header.fps), data=data)
