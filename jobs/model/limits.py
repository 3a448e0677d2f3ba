"""What one caller may ask of the service, so that all get their share."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """The most one caller may have; None is without end.

    `requests_per_minute` counts the requests for videos, all of which may come at once. A pixel-frame is one pixel of
    one frame: a video takes width x height x num_frames of them, and the count begins anew at midnight UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int | None = Field(default=None, ge=1)
    queued_jobs: int | None = Field(default=None, ge=1)
    running_jobs: int | None = Field(default=None, ge=1)
    pixel_frames_per_day: int | None = Field(default=None, ge=1)

    @property
    def are_of_jobs(self) -> bool:
        """Whether room must be kept for a job before it is accepted."""
        return self.queued_jobs is not None or self.pixel_frames_per_day is not None

    def or_else(self, default: Self) -> Self:
        """These limits, and the default's where there is none."""
        return default.model_copy(update=self.model_dump(exclude_none=True))
