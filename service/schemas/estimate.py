"""The estimate of a video before it is requested."""

from typing import Literal

from pydantic import BaseModel, Field

from service.schemas.video import WarningRecord


class TimeEstimate(BaseModel):
    """Seconds until the video is finished: half of such videos take at most `p50`, nine of ten at most `p90`."""

    p50: float
    p90: float | None = Field(description="Null until the model has finished nine videos.")


class VideoEstimate(BaseModel):
    """What a request would create, and when. Nothing is stored, and no quota is used."""

    object: Literal["video.estimate"] = "video.estimate"
    model: str
    size: str
    seconds: str
    num_frames: int
    n: int = Field(description="Number of videos; `pixel_frames` and `eta_s` are those of all together.")
    windows: int = Field(description="Windows of each video.")
    steps: int = Field(description="Calls of the transformer in all windows of one video: its `total_steps`.")
    pixel_frames: int = Field(
        description="What the request takes from a daily quota: width x height x new frames; of a draft the share of "
        "its steps."
    )
    position: int = Field(description="Videos before the first one in the queue of the model.")
    eta_s: TimeEstimate | None = Field(
        description="Null while no worker starts videos, and before the first finished video of the model."
    )
    warnings: tuple[str, ...]
    warning_codes: tuple[WarningRecord, ...] = Field(description="What each of `warnings` says, in the same order.")
