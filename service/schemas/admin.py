"""Requests and responses of operators."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from jobs.queue.pauses import MAX_REASON_CHARS
from jobs.queue.workers import DrainState, WorkerEntry, WorkerState, WorkerStatus
from service.schemas.request_model import RequestModel
from service.schemas.video import UnixSeconds


class PauseQueue(RequestModel):
    """The pause of a queue."""

    reason: str = Field(
        "",
        max_length=MAX_REASON_CHARS,
        description="Why, for other operators and callers: `GET /v1/queue` and `/metrics` show it.",
    )


class WorkerDrain(BaseModel):
    """A request to drain. `requested` becomes `accepted` within seconds, and `ended` when the worker has ended.

    It is `unanswered` if the worker does not begin its drain. `ends_at` is when the running video is handed back.
    """

    state: DrainState
    requested_at: UnixSeconds
    ends_at: UnixSeconds | None


class Worker(BaseModel):
    """A worker. Times are unix seconds. `reason` is why it takes no jobs, as in the record of a queue.

    `state` is `lost` if it has not announced itself for 30 seconds: it crashed, hangs, or cannot reach Redis. It is
    `unknown` if its release announces no more than its name; the other fields are null then.
    """

    name: str
    object: Literal["worker"] = "worker"
    state: WorkerState
    reason: str | None
    video_id: str | None
    models: list[str]
    loaded_models: list[str]
    host: str | None
    pid: int | None
    version: str | None
    started_at: UnixSeconds | None
    announced_at: UnixSeconds | None
    drain: WorkerDrain | None

    @classmethod
    def of(cls, status: WorkerStatus) -> Self:
        """The response for a worker."""
        entry: WorkerEntry | None = status.entry
        return cls(
            name=status.name,
            state=status.state,
            reason=entry.reason if entry else None,
            video_id=entry.job_id if entry else None,
            models=list(entry.models) if entry else [],
            loaded_models=list(entry.loaded_models) if entry else [],
            host=entry.host if entry else None,
            pid=entry.pid if entry else None,
            version=entry.version if entry else None,
            started_at=entry.started_at if entry else None,
            announced_at=status.announced_at,
            drain=_drain(status),
        )


class WorkerList(BaseModel):
    """All workers, by name."""

    object: Literal["list"] = "list"
    data: list[Worker]


def _drain(status: WorkerStatus) -> WorkerDrain | None:
    state, requested_at = status.drain_state, status.drain_requested_at
    if state is None or requested_at is None:
        return None
    return WorkerDrain(
        state=state, requested_at=requested_at, ends_at=status.entry.drain_ends_at if status.entry else None
    )
