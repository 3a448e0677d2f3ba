"""The record of a job: one frozen value in the program, one hash in Redis, a JSON value per field."""

import json
import secrets
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict

from jobs.model.failure import Failure
from jobs.model.request import VideoRequest
from jobs.model.result_files import Segment, segments_of
from jobs.model.states import Phase, Priority, State

_IN_JSON = json.JSONEncoder(separators=(",", ":")).encode
PublicStatus = Literal["queued", "in_progress", "completed", "failed"]
PUBLIC_STATUSES: tuple[PublicStatus, ...] = get_args(PublicStatus)


class Result(BaseModel):
    """A finished video: its place in storage, its checksum, and what it cost.

    `segment_frames` has the frames of each of the segments that lie beside a long one (`jobs/model/result_files.py`).
    """

    model_config = ConfigDict(frozen=True)

    video_key: str
    content_type: str
    size_bytes: int
    content_sha256: str
    inference_time_s: float
    peak_memory_mb: float
    phase_seconds: dict[str, float]
    warnings: tuple[str, ...] = ()
    segment_frames: tuple[int, ...] = ()


class Job(BaseModel):
    """One job from submit to its end. Times are unix seconds.

    `attempt` counts the workers that took it (one that handed it back in good order is not counted), `handover` how
    often it was queued, `version` how often anything changed, and `token` fences the writes of the running attempt.
    `remixed_from` is the video whose request this is with another prompt, `source` the one that is changed or
    continued, `batch` all that were asked for at once. `traceparent` is the request's own (W3C Trace Context). Its
    files are kept for `retention_s` after its end, None for ever: until `expires_at`, and when they were deleted
    `files_gone` is set. It is given up if it has no video by `deadline`, and waits while `running_limit` jobs of its
    owner run. `cancel_latency_ms` is the time from the wish to cancel it to its end. `preview_key` is where the latest
    preview lies, `segments` are those of a long video that can be watched while it runs.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    request: VideoRequest
    created_at: float
    priority: Priority = Priority.NORMAL
    deadline: float | None = None
    running_limit: int | None = None
    state: State = State.QUEUED
    attempt: int = 0
    handover: int = 0
    version: int = 0
    token: str | None = None
    worker: str | None = None
    phase: Phase | None = None
    step: int = 0
    total_steps: int = 0
    started_at: float | None = None
    completed_at: float | None = None
    retention_s: float | None = None
    expires_at: float | None = None
    files_gone: bool = False
    remixed_from: str | None = None
    source: str | None = None
    batch: tuple[str, ...] = ()
    traceparent: str | None = None
    cancel_requested: bool = False
    cancel_requested_at: float | None = None
    cancel_latency_ms: float | None = None
    preview_key: str | None = None
    segments: tuple[Segment, ...] = ()
    progress_event_at: float = 0.0
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    result: Result | None = None

    def to_hash(self, only: set[str] | None = None) -> dict[str, str]:
        """The fields as Redis keeps them: those in `only`, or all that say something new, `state` always."""
        if only is None:
            fields = {**self.model_dump(mode="json", exclude_defaults=True), "state": self.state}
        else:
            fields = self.model_dump(mode="json", include=only)
        return {name: _IN_JSON(value) for name, value in fields.items()}

    @classmethod
    def from_hash(cls, fields: Mapping[bytes, bytes]) -> Self:
        """The job that `to_hash` wrote."""
        return cls.model_validate_json(b"{%s}" % b",".join(b'"%s":%s' % field for field in fields.items()))

    @property
    def public_status(self) -> PublicStatus:
        """The four words OpenAI's clients know; cancelled and expired show as failed, the error's code says which."""
        known: dict[State, PublicStatus] = {
            State.QUEUED: "queued",
            State.RUNNING: "in_progress",
            State.COMPLETED: "completed",
        }
        return known.get(self.state, "failed")

    @property
    def watchable(self) -> tuple[Segment, ...]:
        """The segments that can be watched, from the beginning of the video on; none of a video made in one window."""
        if self.result is None:
            return self.segments
        return segments_of(self.result.video_key, self.result.segment_frames)

    def has_expired(self, now: float) -> bool:
        """Whether its files are gone, or may go at any moment. `now` in unix seconds."""
        return self.files_gone or (self.expires_at is not None and self.expires_at <= now)

    def is_late(self, now: float) -> bool:
        """Whether its deadline has passed. `now` in unix seconds."""
        return self.deadline is not None and self.deadline <= now

    def evolve(self, **changes: Any) -> Self:
        """The same job, later."""
        return self.model_copy(update=changes)


def new_job_id() -> str:
    """A fresh public id, not to be guessed."""
    return f"video_{secrets.token_hex(12)}"
