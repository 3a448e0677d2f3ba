"""The record of a video as a response: OpenAI's thirteen fields and those of this service."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from easyanimate.sampling import techniques_of
from jobs.model.failure import Blame
from jobs.model.job import DriftRecord, Job, PublicStatus
from jobs.model.request import GenerationSettings, LoraChoice, Mode
from jobs.model.states import PAUSED, Phase, Priority, State
from jobs.queue.fair_queue import QueuePosition
from jobs.queue.load import Load
from jobs.store.callers.reader import JobVersion
from jobs.warning_texts import read_warning
from service.schemas.pages import ListPage
from service.schemas.shots import ShotRecord, shot_records

UnixSeconds = Annotated[int, BeforeValidator(lambda value: int(value) if isinstance(value, float) else value)]

# The percentage at which each phase begins, and the percentage that its steps add.
PROGRESS = {
    Phase.LOADING: (0, 2),
    Phase.ENCODING: (2, 3),
    Phase.DENOISING: (5, 80),
    Phase.DECODING: (85, 10),
    Phase.MUXING: (95, 2),
    Phase.UPLOADING: (97, 2),
}
LINK_REFRESH_S = 1800  # half the lifetime of a link: after a 304, the link of the client is still valid
LINK_LIFETIME_S = 2 * LINK_REFRESH_S

LINKED_STATES = (State.QUEUED, State.RUNNING, State.COMPLETED)  # their records may have links

# The fields that a job, its result and its request have under the same name.
JOB_FIELDS = (
    *("id", "step", "total_steps", "priority", "deadline", "attempt", "warnings"),
    *(
        "cancel_requested",
        "cancel_latency_ms",
        "created_at",
        "completed_at",
        "expires_at",
        "started_at",
        "promoted_from",
    ),
)
RESULT_FIELDS = (
    *("inference_time_s", "phase_seconds", "peak_memory_mb", "content_sha256", "unsigned_sha256"),
    *("draft_reused", "shared_with", "windows_made", "windows_reused"),
)
REQUEST_FIELDS = (*GenerationSettings.model_fields, "model", "size", "num_frames", "fps", "mode", "loras", "metadata")


@dataclass(frozen=True)
class Links:
    """The links of a record that need no key; None while there is nothing behind them."""

    url: str | None = None
    playlist_url: str | None = None


NO_LINKS = Links()


class VideoError(BaseModel):
    """The reason why there is no video; `retryable` says whether a new request may succeed."""

    code: str
    message: str
    retryable: bool
    blame: Blame


class WarningRecord(BaseModel):
    """What a warning says. Codes never change their meaning; new ones are added."""

    code: str = Field(description="A stable code; `unknown` for a warning of another release.")
    shot: int | None = Field(description="The shot of a film that it is about, counted from 0.")
    values: dict[str, str] = Field(description="The values in its text, by their names.")


class QueuePlace(BaseModel):
    """The number of videos before this one. `reason` says why none of them starts.

    It is `paused` while an operator has paused the queue, and `model_unavailable` while no worker serves the model.
    """

    position: int
    reason: str | None = None


class PreemptionRecord(BaseModel):
    """How often this video gave its worker to one of higher priority, and the seconds that it waited after that.

    The wait that has not ended is not counted yet.
    """

    count: int
    waited_s: float


class DraftRecord(BaseModel):
    """The steps after which a draft ends."""

    steps: int


class Video(BaseModel):
    """The record of a video. Times are unix seconds."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: PublicStatus
    progress: int
    created_at: UnixSeconds
    completed_at: UnixSeconds | None
    expires_at: UnixSeconds | None = None
    prompt: str
    size: str
    seconds: str
    remixed_from_video_id: str | None
    source_video_id: str | None
    promoted_from: str | None
    shared_with: str | None
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
    preemption: PreemptionRecord | None
    started_at: UnixSeconds | None
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
    quality: str
    techniques: tuple[str, ...]
    draft: DraftRecord | None
    draft_reused: bool | None
    drift: DriftRecord | None
    windows_made: int | None
    windows_reused: int | None
    content_sha256: str | None
    unsigned_sha256: str | None
    url: str | None
    playlist_url: str | None
    watchable_s: float | None
    shots: list[ShotRecord] | None
    metadata: dict[str, str]
    warnings: tuple[str, ...]
    warning_codes: tuple[WarningRecord, ...] = Field(description="What each of `warnings` says, in the same order.")


class VideoList(ListPage):
    """A page of videos, newest first; `after=last_id` requests the next."""

    data: list[Video]


class VideoDeleted(BaseModel):
    """The confirmation of a deletion."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: bool = True


def to_video(job: Job, links: Links = NO_LINKS, place: QueuePosition | None = None, load: Load | None = None) -> Video:
    """The response for a job, with new links, its place in the queue and the load of its model."""
    return Video(
        state=job.public_state,
        status=job.public_status,
        progress=progress(job),
        seconds=f"{job.request.seconds:.4g}",
        remixed_from_video_id=job.remixed_from,
        source_video_id=job.source,
        batch=list(job.batch) or None,
        error=VideoError(**job.failure.model_dump()) if job.failure else None,
        phase=job.phase if job.state is State.RUNNING else None,
        queue=_queue_place(place),
        eta_s=_eta_s(job, place, load),
        url=links.url,
        playlist_url=links.playlist_url,
        watchable_s=_watchable_s(job),
        shots=shot_records(job),
        preemption=_preemption(job),
        techniques=techniques_of(job.request.quality),
        draft=None if job.request.draft_steps is None else DraftRecord(steps=job.request.draft_steps),
        drift=job.result.drift[-1] if job.result and job.result.drift else None,
        warning_codes=warning_records(job.warnings),
        **{name: getattr(job, name) for name in JOB_FIELDS},
        **{name: getattr(job.result, name, None) for name in RESULT_FIELDS},
        **{name: getattr(job.request, name) for name in REQUEST_FIELDS},
    )


def warning_records(warnings: Iterable[str]) -> tuple[WarningRecord, ...]:
    """The codes of these warnings."""
    return tuple(WarningRecord(**asdict(read_warning(text))) for text in warnings)


def progress(job: Job) -> int:
    """Percent: 0 while queued, 100 when completed, otherwise by the phase and its steps."""
    if job.state is State.COMPLETED:
        return 100
    if job.state is State.QUEUED or job.phase is None:
        return 0
    begin, share = PROGRESS.get(job.phase, (0, 0))  # a phase of a newer release has no percentages
    done = min(job.step / job.total_steps, 1.0) if job.total_steps else 0.0
    return int(begin + share * done)


def poll_after_ms(version: JobVersion) -> int | None:
    """The interval that a client should poll at; None for a final job."""
    if version.state.is_final:
        return None
    if version.state is State.RUNNING:
        return 1000
    return min(500 + 500 * (version.place.position if version.place else 0), 5000)


def etag(version: JobVersion, now: float) -> str:
    """A weak ETag that changes with the record, and before its links expire. `now` in unix seconds."""
    place = f"-{version.place.position}{_mark(version.place)}" if version.place else ""
    link = f"-{now // LINK_REFRESH_S:.0f}" if version.state in LINKED_STATES else ""
    return f'W/"{version.version}-{version.state}{place}{link}"'


def _mark(place: QueuePosition) -> str:
    return "u" * place.is_unserved + "p" * place.is_paused


def _watchable_s(job: Job) -> float | None:
    """The seconds in the playlist of a long video; None without a playlist."""
    count = sum(job.result.segment_frames) if job.result else sum(segment.num_frames for segment in job.segments)
    return round(count / job.request.fps, 3) if count else None


def _queue_place(place: QueuePosition | None) -> QueuePlace | None:
    if place is None:
        return None
    reason = PAUSED if place.is_paused else "model_unavailable" if place.is_unserved else None
    return QueuePlace(position=place.position, reason=reason)


def _preemption(job: Job) -> PreemptionRecord | None:
    if job.preemption is None:
        return None
    return PreemptionRecord(count=job.preemption.count, waited_s=round(job.preemption.waited_s, 3))


def _eta_s(job: Job, place: QueuePosition | None, load: Load | None) -> float | None:
    position = place.position if place and not place.is_paused else None
    seconds = load.eta_s(job, position, progress(job) / 100) if load else None
    return None if seconds is None else round(seconds, 1)


def record_json(links: Callable[[Job], Links], job: Job) -> dict[str, Any]:
    """The record with its links, as values of JSON."""
    return to_video(job, links(job)).model_dump(mode="json")
