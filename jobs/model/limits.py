"""Limits of one caller."""

from typing import Self

from pydantic import BaseModel, Field


class Limits(BaseModel, frozen=True, extra="forbid"):
    """Maxima of one caller; None means unlimited.

    `requests_per_minute` counts requests for videos; all of a minute may come at once. A pixel-frame is one pixel of
    one frame: a video uses width x height x num_frames of them, and the count starts again at midnight UTC.
    """

    requests_per_minute: int | None = Field(default=None, ge=1)
    queued_jobs: int | None = Field(default=None, ge=1)
    running_jobs: int | None = Field(default=None, ge=1)
    pixel_frames_per_day: int | None = Field(default=None, ge=1)

    @property
    def are_of_jobs(self) -> bool:
        """Whether room must be reserved for a job before it is accepted."""
        return self.queued_jobs is not None or self.pixel_frames_per_day is not None

    def or_else(self, default: Self) -> Self:
        """Returns these limits, with those of `default` where this one has None."""
        return default.model_copy(update=self.model_dump(exclude_none=True))
