"""The fields that several requests for videos share: the prompt, the schedule, and the settings of the generation."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from easyanimate.sampling import Quality
from jobs.errors import InvalidRequest
from jobs.model.request import MAX_PROMPT_CHARS
from jobs.model.states import Priority
from service.schemas.request_model import (
    AS_INTEGER,
    AS_LIST,
    AS_NUMBER,
    AS_OBJECT,
    Flag,
    Integer,
    Name,
    Number,
    RequestModel,
)
from service.schemas.requests.field_types import (
    MAX_OVERLAP,
    Deadline,
    Input,
    Metadata,
    Prompt,
    Seconds,
    Seed,
    ShareWork,
    Size,
)
from service.schemas.requests.parts import LoraBody, PreviewsBody, WebhookBody

MAX_GUIDANCE_SCALE = 20.0
MAX_LORAS = 4


class ScheduledRequest(RequestModel):
    """The fields of every request that makes a job: its place in the queue, its webhook and its metadata."""

    priority: Priority = Field(
        Priority.NORMAL,
        description="Jobs of a higher priority start earlier; callers of one priority take turns.",
    )
    deadline: Deadline = None
    share_work: ShareWork = True
    webhook: Annotated[WebhookBody, AS_OBJECT] | None = None
    metadata: Metadata = Field(default_factory=dict)


class _DescribedRequest(RequestModel):
    prompt: Prompt = Field(description="What the video shows.")


class DescribedVideo(ScheduledRequest, _DescribedRequest):
    """The fields of every request for a video with a prompt of its own."""


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class PromptOrShots(RequestModel):
    """The prompt of a request that may have shots instead."""

    prompt: Prompt = Field(
        "",
        description="What the video shows. A film has the prompts of its shots instead.",
        json_schema_extra=_without_default,
    )

    @model_validator(mode="before")
    @classmethod
    def _has_prompt_or_shots(cls, values: Any) -> Any:
        is_accepted = isinstance(values, dict) and values.keys() <= cls.model_fields.keys()
        if is_accepted and values.get("prompt") is None and values.get("shots") is None:
            raise InvalidRequest("prompt is missing", "prompt", reason="missing")
        return values


class GenerationFields(DescribedVideo):
    """The fields of every request that generates with settings of its own."""

    model: Name | None = Field(None, description="May be left out when there is only one.")
    negative_prompt: str = Field("", max_length=MAX_PROMPT_CHARS, description="What the video does not show.")
    size: Size | None = Field(None, description="WIDTHxHEIGHT; or send width and height.")
    width: Integer | None = Field(None, description="Pixels, a multiple of 16.")
    height: Integer | None = Field(None, description="Pixels, a multiple of 16.")
    seconds: Seconds | None = Field(
        None, description="Playing time, rounded to the nearest possible number of frames; `warnings` says so."
    )
    num_frames: Integer | None = Field(None, description="1 or a multiple of 8; instead of seconds. 1 makes a PNG.")
    fps: Integer | None = Field(None, description="Frames per second; only the model's own rate works in this version.")
    num_inference_steps: Annotated[int, Field(ge=1), AS_INTEGER] | None = Field(
        None, description="Denoising steps; the card of the model has the default."
    )
    guidance_scale: Annotated[float, Field(ge=0, le=MAX_GUIDANCE_SCALE), AS_NUMBER] | None = Field(
        None, description="Weight of the prompt; values up to 1 switch guidance off."
    )
    seed: Seed | None = Field(None, description="Random if absent.")
    scheduler: Name | None = Field(
        None, description="The scheduler of the denoising; `GET /v1/models` lists the names."
    )
    loras: Annotated[tuple[Annotated[LoraBody, AS_OBJECT], ...], AS_LIST] = Field(
        default_factory=tuple, max_length=MAX_LORAS
    )
    smooth: Flag = Field(True, description="Smooths the seam every eight frames.")
    clean_caption: Flag = Field(True, description="Cleans the prompts as the model's training did.")
    quality: Quality = Field(
        "exact",
        description="fast is lossy: it saves guidance and parts of the model in some steps. `techniques` names them.",
    )
    previews: Annotated[PreviewsBody, AS_OBJECT] | None = Field(
        None, description="A small image of the current state, after every so many steps."
    )

    @field_validator("loras")
    @classmethod
    def _loras_are_distinct(cls, loras: tuple[LoraBody, ...]) -> tuple[LoraBody, ...]:
        if len({lora.name for lora in loras}) < len(loras):
            raise PydanticCustomError("repeated_lora", "names a LoRA twice; send it once, with the sum of its scales")
        return loras


class RepaintingFields(RequestModel):
    """What is generated anew of a source video, and how much it changes."""

    mask: Input = Field(None, description="An image: white is generated anew, darker areas are kept.")
    strength: Annotated[float, Field(gt=0, le=1), AS_NUMBER] | None = Field(
        None,
        description="Share of the denoising steps that run; less keeps more of the source video. "
        "0.7 if absent, 1 with a mask.",
    )


class WindowFields(RequestModel):
    """The end image, and how the windows of a long video continue each other."""

    last_image: Input = Field(None, description="The end image; sent like the start image.")
    overlap: Integer = Field(
        MAX_OVERLAP,
        ge=1,
        le=MAX_OVERLAP,
        description="Frames that a window of a long video shares with the one before.",
    )
    clip_apply_ratio: Number = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the steps, counted from the end, that use the CLIP embedding of the start image.",
    )
