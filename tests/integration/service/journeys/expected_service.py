"""The expected service: a dict of videos, and how each verb changes it. The state machine compares the two."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobs.store.keeper.preemption import MAX_PREEMPTIONS
from jobs.store.transitions import MAX_ATTEMPTS

QUEUED_LIMIT = 5  # waiting videos of a caller
STATUS = {
    "queued": "queued",
    "running": "in_progress",
    "completed": "completed",
    "draft": "completed",
}  # others: failed
DONE = ("completed", "draft")
FINAL = (*DONE, "failed", "cancelled", "expired")


@dataclass
class Expected:
    """The expected state of one video. Videos with the same `work` are equal and share one run."""

    prompt: str
    work: str
    created_at: float
    state: str = "queued"
    cancel_requested: bool = False
    token: str | None = None
    attempt: int = 0  # leases that ended by the death of their worker, or run
    handover: int = 0  # how often it was queued again, counted on from the stopped run that it continues
    has_deadline: bool = False
    num_frames: int = 16
    num_shots: int = 0
    draft_steps: int | None = None
    promoted_from: str | None = None
    remixed_from: str | None = None
    source: str | None = None
    shared_with: str | None = None
    preemptions: int = 0
    priority: str = "normal"
    has_files: bool = True
    has_inputs: bool = True
    last_read: tuple[str, dict[str, Any]] | None = None  # the last ETag and its record

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL


@dataclass
class ExpectedService:
    """The videos of one caller. `ends` has the last run of each work whose outcome others get, and when it ended.

    `stops` has the handover of the attempt that continues the last stopped run of each work.
    """

    videos: dict[str, Expected] = field(default_factory=dict)
    ends: dict[str, tuple[str, float]] = field(default_factory=dict)
    stops: dict[str, int] = field(default_factory=dict)
    is_paused: bool = False

    def count(self, state: str) -> int:
        """The number of videos in this state."""
        return sum(video.state == state for video in self.videos.values())

    def is_full(self) -> bool:
        """Whether the caller may let no other video wait."""
        return self.count("queued") >= QUEUED_LIMIT

    def equal_to(self, video_id: str, *states: str) -> list[str]:
        """The other videos of the same work in these states."""
        work = self.videos[video_id].work
        equal = (name for name, video in self.videos.items() if (video.work, video.state in states) == (work, True))
        return [name for name in equal if name != video_id]

    def may_start(self, video_id: str) -> bool:
        """Whether a worker can lease a waiting video."""
        return not self.is_paused and not self.equal_to(video_id, "running")

    def may_be_preempted(self, video_id: str, urgent_id: str) -> bool:
        """Whether a running video can be asked to give its worker to another one."""
        video = self.videos[video_id]
        return not video.cancel_requested and video.preemptions < MAX_PREEMPTIONS and self.may_start(urgent_id)

    def outcome(self, video_id: str) -> str | None:
        """The equal video whose result or failure this one gets."""
        video = self.videos[video_id]
        ended, at = self.ends.get(video.work, (None, 0.0))
        return ended if ended in self.videos and video.created_at <= at else None

    def lease(self, video_id: str, token: str | None) -> Expected:
        """A worker begins an attempt."""
        video = self.videos[video_id]
        video.state, video.token, video.attempt = "running", token, video.attempt + 1
        video.handover = video.handover or self.stops.get(video.work, 0)
        return video

    def end(self, video_id: str, state: str, at: float) -> None:
        """A run ends with a result or a failure, which equal videos get."""
        self.videos[video_id].state = state
        if self.equal_to(video_id, "queued", "running"):
            self.ends[self.videos[video_id].work] = video_id, at

    def complete(self, video_id: str, at: float) -> None:
        """A run ends with a result."""
        self.end(video_id, "completed" if self.videos[video_id].draft_steps is None else "draft", at)

    def stop(self, video_id: str, state: str) -> None:
        """A video is cancelled or late; an equal one continues its run, if it had one."""
        video = self.videos[video_id]
        handover, video.state = video.handover + (video.state == "running"), state
        if handover and self.equal_to(video_id, "queued", "running"):
            self.stops[video.work] = handover

    def cancel(self, video_id: str) -> None:
        """The caller cancels a video; the worker of a running one ends it later."""
        if self.videos[video_id].state == "running":
            self.videos[video_id].cancel_requested = True
        else:
            self.stop(video_id, "cancelled")

    def preempt(self, video_id: str) -> None:
        """A running video is returned at no cost; one that was cancelled meanwhile ends."""
        video = self.videos[video_id]
        if video.cancel_requested:
            self.stop(video_id, "cancelled")
            return
        video.preemptions += 1
        self._requeue(video, attempt=video.attempt - 1)

    def let_an_hour_pass(self, ended_at: Callable[[str], float]) -> None:
        """All workers die, and keepers look after their videos and after the deadlines."""
        for video_id, video in self.videos.items():
            if video.state != "running":
                continue
            if video.cancel_requested or video.has_deadline:
                self.stop(video_id, "cancelled" if video.cancel_requested else "expired")
            elif video.attempt < MAX_ATTEMPTS:
                self._requeue(video, attempt=video.attempt)
            else:
                self.end(video_id, "failed", ended_at(video_id))
        for video_id, video in self.videos.items():
            if video.state == "queued" and video.has_deadline:
                self.stop(video_id, "expired")

    def refuse_deletion(self, video_id: str) -> None:
        """A deletion is refused after the files are deleted."""
        video = self.videos[video_id]
        video.has_inputs = False
        video.has_files &= video.state not in DONE

    @staticmethod
    def _requeue(video: Expected, attempt: int) -> None:
        video.state, video.attempt, video.handover = "queued", attempt, video.handover + 1
