"""The record of a job: a frozen model in the program, a hash in Redis with one JSON value per field."""

import json
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel

from jobs.model.failure import Failure
from jobs.model.request import VideoRequest
from jobs.model.result_files import Segment, segments_of
from jobs.model.states import Phase, Priority, State
from jobs.model.stored import KeepsUnknown, StoredModel, add_unknown_fields, is_defined, parse_stored

_IN_JSON = json.JSONEncoder(separators=(",", ":")).encode
PublicStatus = Literal["queued", "in_progress", "completed", "failed"]
PUBLIC_STATUSES: tuple[PublicStatus, ...] = get_args(PublicStatus)


class DriftRecord(BaseModel, frozen=True, allow_inf_nan=False):
    """The distance of a window from the first one.

    `mean` is the largest distance of the mean of a colour channel, as a share of the range: 0.0039 is one level of 255.
    `variance` and `sharpness` are relative: 0.02 is 2 percent more. They are null if the first window is of one colour.
    """

    mean: float
    variance: float | None
    sharpness: float | None


class WindowDrift(DriftRecord, frozen=True):
    """The distance of the window with this index, counted from 0; of an extension the first new window has 0."""

    window: int


class Result(BaseModel, frozen=True, allow_inf_nan=False):
    """A finished video: its storage key, its checksum, and the time and memory it took.

    `content_sha256` is the digest of the marked file, `unsigned_sha256` that of the file before marking, which equal
    runs share; None in results of older releases.
    `segment_frames` is the number of frames of each segment of a long video (`jobs/model/result_files.py`), and
    `segment_sha256` their digests. `steps` is how often the transformer was called in all windows; 0 in results of
    older releases. `draft_reused` is whether a promotion continued its draft, None for other videos. `drift` has the
    windows of a long video after the first. `shared_with` is the video whose run made this one; such a result has no
    steps of its own. `num_windows` counts the windows, 0 in results of older releases; `reused_windows` are the indexes
    of those that were taken from other videos, and whose steps do not count.
    """

    video_key: str
    content_type: str
    size_bytes: int
    content_sha256: str
    inference_time_s: float
    peak_memory_mb: float
    phase_seconds: dict[str, float]
    warnings: tuple[str, ...] = ()
    segment_frames: tuple[int, ...] = ()
    segment_sha256: tuple[str, ...] = ()
    steps: int = 0
    draft_reused: bool | None = None
    drift: tuple[WindowDrift, ...] = ()
    shared_with: str | None = None
    unsigned_sha256: str | None = None
    num_windows: int = 0
    reused_windows: tuple[int, ...] = ()

    @property
    def windows_made(self) -> int | None:
        """The number of windows that were generated; None in results of older releases."""
        return self.num_windows - len(self.reused_windows) if self.num_windows else None

    @property
    def windows_reused(self) -> int | None:
        """The number of windows that were taken from other videos, likewise."""
        return len(self.reused_windows) if self.num_windows else None

    @property
    def is_whole_run(self) -> bool:
        """Whether the whole video was generated for this job, so that its time is that of such a video."""
        return self.shared_with is None and not self.reused_windows


class PreemptionRequest(BaseModel, frozen=True):
    """The request that the attempt with this `token` gives its worker to the waiting job `job_id`."""

    token: str
    job_id: str


class Preemption(BaseModel, frozen=True, allow_inf_nan=False):
    """How often a job gave its worker to a more urgent one, and the seconds that it waited after that.

    A job that waits after a preemption waits `since` this unix second. `handover` is that of the wait: another one
    means that a release without preemptions has leased the job.
    """

    count: int = 0
    waited_s: float = 0.0
    since: float | None = None
    handover: int | None = None

    def waits(self, handover: int) -> bool:
        """Whether the job, with this handover, waits after a preemption."""
        return self.since is not None and self.handover == handover

    def begun(self, now: float, handover: int) -> Self:
        """One more preemption, whose wait begins at `now` with this handover."""
        return self.model_copy(update={"count": self.count + 1, "since": now, "handover": handover})

    def moved(self, handover: int, new_handover: int) -> Self:
        """The same after the handover of the waiting job was changed."""
        return self.model_copy(update={"handover": new_handover}) if self.waits(handover) else self

    def ended(self, now: float, handover: int) -> Self:
        """The same after the job was leased at `now`."""
        waited_s = max(0.0, now - (self.since or now)) if self.waits(handover) else 0.0
        return self.model_copy(update={"waited_s": self.waited_s + waited_s, "since": None, "handover": None})


class Job(StoredModel, frozen=True):
    """One job from submit to its final state. Times are unix seconds.

    - `attempt` counts attempts; one that ends with a release is not counted. `handover` counts how often the job was
      queued again, `version` counts changes, and `token` fences the writes of the running attempt.
    - `remixed_from` is the video whose request is repeated with another prompt. `source` is the video that is edited or
      extended. `promoted_from` is the draft that is finished. `batch` holds the ids of all videos of one request.
      `shared_key` identifies the work that equal jobs of its owner share (`jobs/store/shared_runs.py`).
      `traceparent` is of W3C Trace Context.
    - Files are kept for `retention_s` after the end, None means for ever. `expires_at` is that time, and `files_gone`
      is set after they are deleted.
    - The job expires without a video at `deadline`. It waits while `running_limit` jobs of its owner run.
    - `preemption` counts its preemptions; `preemption_request` asks an attempt for one.
    - `cancel_latency_ms` is the time from the cancel request to the end. `preview_key` is the storage key of the latest
      preview; `segments` are the finished segments of a long video that is still running.
    """

    id: str
    owner: str
    request: VideoRequest
    created_at: float
    priority: Annotated[Priority, KeepsUnknown()] = Priority.NORMAL
    deadline: float | None = None
    running_limit: int | None = None
    state: Annotated[State, KeepsUnknown()] = State.QUEUED
    attempt: int = 0
    handover: int = 0
    version: int = 0
    token: str | None = None
    worker: str | None = None
    phase: Annotated[Phase, KeepsUnknown()] | None = None
    step: int = 0
    total_steps: int = 0
    started_at: float | None = None
    completed_at: float | None = None
    retention_s: float | None = None
    expires_at: float | None = None
    files_gone: bool = False
    remixed_from: str | None = None
    source: str | None = None
    promoted_from: str | None = None
    batch: tuple[str, ...] = ()
    shared_key: str | None = None
    traceparent: str | None = None
    cancel_requested: bool = False
    cancel_requested_at: float | None = None
    cancel_latency_ms: float | None = None
    preemption: Preemption | None = None
    preemption_request: PreemptionRequest | None = None
    preview_key: str | None = None
    segments: tuple[Segment, ...] = ()
    progress_event_at: float = 0.0
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    result: Result | None = None

    def to_hash(self, only: set[str] | None = None) -> dict[str, str]:
        """Returns the fields as stored in Redis: those in `only`, or all without defaults.

        All means also unknown ones, and always `state` and `schema_version`.
        """
        if only is None:
            fields = self.to_fields()
        else:
            fields = add_unknown_fields(self, self.model_dump(mode="json", include=only))
            fields = {name: fields[name] for name in only}
        return {name: _IN_JSON(value) for name, value in fields.items()}

    def to_fields(self) -> dict[str, Any]:
        """Returns all fields without defaults as values of JSON, with those that this release does not define."""
        fields = add_unknown_fields(self, self.model_dump(mode="json", exclude_defaults=True))
        return {**fields, "state": self.state, "schema_version": self.schema_version}

    @classmethod
    def from_hash(cls, fields: Mapping[bytes, bytes]) -> Self:
        """Parses the fields that `to_hash` of any release wrote. Raises RecordUnreadable."""
        return parse_stored(cls, b"{%s}" % b",".join(b'"%s":%s' % field for field in fields.items()))

    @property
    def public_status(self) -> PublicStatus:
        """queued, in_progress, completed or failed, as in OpenAI's API; cancelled and expired jobs are failed.

        A state of a newer release counts as running until the job has ended.
        """
        statuses: dict[State, PublicStatus] = {
            State.QUEUED: "queued",
            State.RUNNING: "in_progress",
            State.COMPLETED: "completed",
        }
        if is_defined(self.state):
            return statuses.get(self.state, "failed")
        if self.completed_at is None:
            return "in_progress"
        return "completed" if self.result else "failed"

    @property
    def public_state(self) -> State:
        """The state that callers see: that of a completed draft is `draft`."""
        is_draft = self.request.draft_steps is not None and self.state is State.COMPLETED
        return State.DRAFT if is_draft else self.state

    @property
    def has_ended(self) -> bool:
        """Whether nothing more follows, also in a state of a newer release."""
        return self.public_status in ("completed", "failed")

    @property
    def watchable(self) -> tuple[Segment, ...]:
        """The segments that can be watched, in order from the first; a video of one window has none."""
        if self.result is None:
            return self.segments
        return segments_of(self.result.video_key, self.result.segment_frames, self.result.segment_sha256)

    @property
    def preempted_for(self) -> str | None:
        """The id of the job to which the running attempt is asked to give its worker; None if it is not asked."""
        request = self.preemption_request
        if request is None or self.state is not State.RUNNING or request.token != self.token:
            return None
        return request.job_id

    @property
    def preemptions(self) -> int:
        """How often it gave its worker to a more urgent job."""
        return self.preemption.count if self.preemption else 0

    @property
    def waits_after_preemption(self) -> bool:
        """Whether it waits because it gave its worker to a more urgent job."""
        return self.state is State.QUEUED and self.preemption is not None and self.preemption.waits(self.handover)

    def has_expired(self, now: float) -> bool:
        """Whether its files are deleted or may be deleted at any moment. `now` in unix seconds."""
        return self.files_gone or (self.expires_at is not None and self.expires_at <= now)

    def is_late(self, now: float) -> bool:
        """Whether its deadline has passed. `now` in unix seconds."""
        return self.deadline is not None and self.deadline <= now

    def evolve(self, **changes: Any) -> Self:
        """Returns a copy with these changes."""
        return self.model_copy(update=changes)


def new_job_id() -> str:
    """Returns a new public id that cannot be guessed."""
    return f"video_{secrets.token_hex(12)}"
