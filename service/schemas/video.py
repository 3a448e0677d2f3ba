"""What a caller sees of a job: OpenAI's thirteen keys, always all of them, and ours beside them."""

from typing import Literal

from pydantic import BaseModel

from jobs.model.failure import Blame
from jobs.model.job import Job, PublicStatus
from jobs.model.request import GenerationSettings, LoraChoice, Mode
from jobs.model.states import Phase, Priority, State
from jobs.queue.fair_queue import QueuePosition
from jobs.queue.load import Load
from jobs.store.callers.reader import JobVersion

# Where each phase begins on the way from 0 to 100, and how much of it is spread over its steps.
PROGRESS = {
    Phase.LOADING: (0, 2),
    Phase.ENCODING: (2, 3),
    Phase.DENOISING: (5, 80),
    Phase.DECODING: (85, 10),
    Phase.MUXING: (95, 2),
    Phase.UPLOADING: (97, 2),
}
LINK_REFRESH_S = 1800  # half of what a link lives: a client that is told "not modified" still has a good one

REQUEST_FIELDS = (*GenerationSettings.model_fields, "model", "size", "num_frames", "fps", "mode", "loras", "metadata")


class VideoError(BaseModel):
    """Why there is no video; `retryable` says whether asking again may help."""

    code: str
    message: str
    retryable: bool
    blame: Blame


class QueuePlace(BaseModel):
    """How many videos come before this one. `reason` is `model_unavailable` while no worker serves its model."""

    position: int
    reason: str | None = None


class Video(BaseModel):
    """A video, made or to be made. Times are unix seconds."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: PublicStatus
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None = None
    prompt: str
    size: str
    seconds: str
    remixed_from_video_id: str | None
    source_video_id: str | None
    batch: list[str] | None
    error: VideoError | None
    state: State
    phase: Phase | None
    step: int
    total_steps: int
    queue: QueuePlace | None
    eta_s: float | None
    priority: Priority
    deadline: float | None
    cancel_requested: bool
    cancel_latency_ms: float | None
    attempt: int
    started_at: int | None
    inference_time_s: float | None
    phase_seconds: dict[str, float] | None
    peak_memory_mb: float | None
    negative_prompt: str
    seed: int
    num_frames: int
    fps: int
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    mode: Mode
    strength: float
    loras: tuple[LoraChoice, ...]
    overlap: int
    clip_apply_ratio: float
    smooth: bool
    clean_caption: bool
    content_sha256: str | None
    url: str | None
    watchable_s: float | None
    metadata: dict[str, str]
    warnings: tuple[str, ...]


class VideoList(BaseModel):
    """A page of videos, newest first; `after=last_id` asks for the next."""

    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(BaseModel):
    """What is left of a deleted video."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = True


def to_video(job: Job, url: str | None = None, place: QueuePosition | None = None, load: Load | None = None) -> Video:
    """The job as its caller sees it.

    `url` is a link minted at this moment, `place` where it waits, `load` how busy its model is.
    """
    request, result = job.request, job.result
    return Video(
        id=job.id,
        status=job.public_status,
        progress=progress(job),
        created_at=int(job.created_at),
        completed_at=None if job.completed_at is None else int(job.completed_at),
        expires_at=None if job.expires_at is None else int(job.expires_at),
        seconds=f"{request.seconds:.4g}",
        remixed_from_video_id=job.remixed_from,
        source_video_id=job.source,
        batch=list(job.batch) or None,
        error=VideoError(**job.failure.model_dump()) if job.failure else None,
        state=job.state,
        phase=job.phase if job.state is State.RUNNING else None,
        step=job.step,
        total_steps=job.total_steps,
        queue=_queue_place(place),
        eta_s=_eta_s(job, place, load),
        priority=job.priority,
        deadline=job.deadline,
        cancel_requested=job.cancel_requested,
        cancel_latency_ms=job.cancel_latency_ms,
        attempt=job.attempt,
        started_at=None if job.started_at is None else int(job.started_at),
        inference_time_s=result.inference_time_s if result else None,
        phase_seconds=result.phase_seconds if result else None,
        peak_memory_mb=result.peak_memory_mb if result else None,
        content_sha256=result.content_sha256 if result else None,
        url=url,
        watchable_s=_watchable_s(job),
        warnings=job.warnings,
        **{name: getattr(request, name) for name in REQUEST_FIELDS},
    )


def progress(job: Job) -> int:
    """Percent: 0 while it waits, 100 when it is completed, else the phase's share and the steps done within it."""
    if job.state is State.COMPLETED:
        return 100
    if job.state is State.QUEUED or job.phase is None:
        return 0
    begin, share = PROGRESS[job.phase]
    done = min(job.step / job.total_steps, 1.0) if job.total_steps else 0.0
    return int(begin + share * done)


def poll_after_ms(glance: JobVersion) -> int | None:
    """How long a client may wait before it asks again; None when there is nothing to wait for."""
    if glance.state.is_final:
        return None
    if glance.state is State.RUNNING:
        return 1000
    return min(500 + 500 * (glance.place.position if glance.place else 0), 5000)


def etag(glance: JobVersion, now: float) -> str:
    """A weak tag that changes with the record, and with its link before the link runs out. `now` in unix seconds."""
    place = f"-{glance.place.position}{'u' * glance.place.is_unserved}" if glance.place else ""
    link = f"-{now // LINK_REFRESH_S:.0f}" if glance.state is State.COMPLETED else ""
    return f'W/"{glance.version}-{glance.state}{place}{link}"'


def _watchable_s(job: Job) -> float | None:
    """Seconds of a long video that its playlist has; None where it has none."""
    count = sum(job.result.segment_frames) if job.result else sum(segment.num_frames for segment in job.segments)
    return round(count / job.request.fps, 3) if count else None


def _queue_place(place: QueuePosition | None) -> QueuePlace | None:
    if place is None:
        return None
    return QueuePlace(position=place.position, reason="model_unavailable" if place.is_unserved else None)


def _eta_s(job: Job, place: QueuePosition | None, load: Load | None) -> float | None:
    seconds = load.eta_s(job, place.position if place else None, progress(job) / 100) if load else None
    return None if seconds is None else round(seconds, 1)
