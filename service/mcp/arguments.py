"""The arguments of the tools, and their JSON schemas.

The fields of a new video are those of the REST API, without those of `LEFT_OUT`. Their schemas are copied from it, and
only the API validates them.
"""

from typing import Annotated, Any

from pydantic import Field

from jobs.model.job import PublicStatus
from service.openapi.request_bodies import request_schema
from service.schemas.request_model import Integer, Name, Number, RequestModel
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.derived import ExtendVideo, PromoteVideo, RemixVideo
from service.schemas.requests.shots import ShotBody, ShotChange

MAX_WAIT_S, DEFAULT_WAIT_S = 600.0, 50.0  # many clients end a call after 60 s
IMAGE = "an https link, the id of an uploaded file (file-…), or a data: URL"

VideoId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$", description="The id of a video: video_…")]

LEFT_OUT = {  # fields of the API that no tool has, and why
    "input_reference": "image is the same field",
    "width": "size has both sides",
    "height": "size has both sides",
    "fps": "a model has one rate",
    "previews": "no tool shows them",
    "webhook": "follow_video waits, and a secret is not for a language model",
}
OWN_SCHEMAS: dict[str, dict[str, Any]] = {
    "image": {"type": "string", "description": f"The start image: {IMAGE}."},
    "last_image": {"type": "string", "description": f"The end image: {IMAGE}."},
    "mask": {"type": "string", "description": f"White where video is generated anew, darker where it stays: {IMAGE}."},
    "video": {
        "type": ["string", "object"],
        "description": 'A video to change: {"id": "video_…"} of a completed one of yours, an https link, or the id of '
        "an uploaded file (file-…).",
    },
    "size": {"type": "string", "description": "WIDTHxHEIGHT in pixels, multiples of 16."},
    "seconds": {"type": "number", "description": "Playing time, rounded to the nearest possible number of frames."},
    "loras": {"description": "LoRAs that change the style; list_models names them."},
    "metadata": {"description": "Texts that are kept with the video."},
    "scheduler": {"description": "The scheduler of the denoising; list_models names them."},
    "shots": {"description": "The shots of a film, in place of prompt and num_frames."},
    "draft": {
        "description": "Ends after so many steps, fewer than num_inference_steps. promote_video finishes the draft."
    },
}
CHANGED_SHOTS = 'The shots of a film that change, by their index from 0, as in {"1": {"prompt": "…"}}.'


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
    fields = _fields(CreateVideo)
    fields["shots"] |= {"items": _schema(_fields(ShotBody), "prompt")}
    return _schema(fields)


def extend_schema() -> dict[str, Any]:
    """The JSON schema of an extension."""
    return _schema(_of_one_video(ExtendVideo), "video_id", "prompt")


def remix_schema() -> dict[str, Any]:
    """The JSON schema of a remix: another prompt, or shots of a film that change."""
    fields, change = _of_one_video(RemixVideo), _schema(_fields(ShotChange))
    fields["shots"] |= {"additionalProperties": change, "description": CHANGED_SHOTS}
    return _schema(fields, "video_id")


def promote_schema() -> dict[str, Any]:
    """The JSON schema of a promotion."""
    return _schema(_of_one_video(PromoteVideo), "video_id")


def _of_one_video(model: type[RequestModel]) -> dict[str, Any]:
    """The fields of a request about a video of the caller, which `video_id` names."""
    fields = {name: field for name, field in _fields(model).items() if name != "video"}
    return {"video_id": {"type": "string", "description": "The id of a completed video of yours."}, **fields}


def _fields(model: type[RequestModel]) -> dict[str, Any]:
    fields = request_schema(model)["properties"]
    return {name: {**fields[name], **OWN_SCHEMAS.get(name, {})} for name in fields if name not in LEFT_OUT}


def _schema(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
