"""The arguments of the tools, and their JSON schemas.

The fields of a new video are those of the REST API. Their schemas are copied from it, and only the API validates them.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from jobs.model.job import PublicStatus
from service.schemas.request_model import Integer, Name, Number, RequestModel
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.derived import ExtendVideo

MAX_WAIT_S, DEFAULT_WAIT_S = 600.0, 50.0  # many clients end a call after 60 s
IMAGE = "an https link, the id of an uploaded file (file-…), or a data: URL"

VideoId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$", description="The id of a video: video_…")]

SETTINGS = (
    *("prompt", "negative_prompt", "model", "size", "seconds", "num_frames", "seed"),
    *("num_inference_steps", "guidance_scale", "scheduler"),
)
OWN_SCHEMAS: dict[str, dict[str, Any]] = {
    "image": {"type": "string", "description": f"The start image: {IMAGE}."},
    "last_image": {"type": "string", "description": f"The end image: {IMAGE}."},
    "draft": {
        "type": "object",
        "description": "Ends after so many steps, fewer than num_inference_steps. promote_video finishes the draft.",
        "properties": {"steps": {"type": "integer", "minimum": 1}},
        "required": ["steps"],
        "additionalProperties": False,
    },
    "seconds": {"type": "number", "description": "Playing time, rounded to the nearest possible number of frames."},
    "video_id": {"type": "string", "description": "The id of a completed video of yours."},
}


class OneVideo(RequestModel):
    """The arguments of a tool for one video."""

    video_id: VideoId


class FollowedVideo(OneVideo):
    """The arguments of the tool that waits."""

    wait_s: Number = Field(DEFAULT_WAIT_S, ge=0, le=MAX_WAIT_S, description="The longest wait, in seconds.")


class ListedVideos(RequestModel):
    """The arguments of the tool that lists videos."""

    limit: Integer = Field(20, ge=1, le=100)
    after: Name | None = Field(None, description="The last_id of the page before.")
    status: PublicStatus | None = None


class NoArguments(RequestModel):
    """A tool without arguments."""


def create_schema() -> dict[str, Any]:
    """The JSON schema of a new video."""
    return _schema(CreateVideo, (*SETTINGS, "image", "last_image", "draft"), ["prompt"])


def extend_schema() -> dict[str, Any]:
    """The JSON schema of an extension."""
    return _schema(ExtendVideo, ("video_id", *SETTINGS, "last_image"), ["video_id", "prompt"])


def _schema(model: type[RequestModel], names: Sequence[str], required: list[str]) -> dict[str, Any]:
    fields = model.model_json_schema()["properties"]
    properties = {name: OWN_SCHEMAS.get(name) or fields[name] for name in names}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
