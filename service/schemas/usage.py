"""The usage of a caller, by day or by model."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field


class UsageAmounts(BaseModel):
    """Completed videos, and what they took."""

    videos: int
    pixel_frames: int = Field(
        description="Width x height x frames that were generated; of drafts and promotions the share of their steps."
    )
    steps: int = Field(description="Calls of the transformer.")
    compute_seconds: float = Field(description="Seconds of the phases, as `phase_seconds` of the records.")


class UsageRow(UsageAmounts):
    """One day or one model with a completed video; the other field is null."""

    day: date | None
    model: str | None


class UsageReport(BaseModel):
    """The usage from the day `from` to the day `to`, both included. Days begin at midnight UTC."""

    object: Literal["usage"] = "usage"
    from_: date = Field(alias="from")
    to: date
    time_zone: Literal["UTC"] = "UTC"
    group_by: Literal["day", "model"]
    data: list[UsageRow]
    total: UsageAmounts
