"""The bodies of requests for videos: create, edit, extend, remix and promote."""

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from easyanimate.media.formats import IMAGE_NAMES, VIDEO_NAMES
from jobs.errors import InvalidRequest
from jobs.model.request import DEFAULT_WEBHOOK_EVENTS, MAX_PROMPT_CHARS, EventType
from jobs.model.states import Priority
from service.http.fields import validate
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
    to_list,
    to_object,
)

MAX_METADATA_PAIRS, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS = 16, 64, 512
MAX_GUIDANCE_SCALE = 20.0
MAX_URL_CHARS, MAX_SECRET_CHARS, MAX_SIZE_CHARS = 2048, 200, 20
MAX_LORAS, MAX_LORA_SCALE, DEFAULT_LORA_SCALE = 4, 2.0, 0.55
MAX_OVERLAP = 4
MAX_VIDEOS = 8
MAX_SHOTS = 64
SHOT_INDEX = re.compile(r"0|[1-9][0-9]{0,2}")

_SOURCES = "a file part, an https link, the id of a file from POST /v1/files, or a data: URL"


def _not_blank(prompt: str) -> str:
    if not prompt.strip():
        raise PydanticCustomError("blank", "is blank; describe what the video shows")
    return prompt


def _few_pairs(metadata: Any) -> Any:
    """Refuses too many pairs before each is validated."""
    if isinstance(metadata, dict) and len(metadata) > MAX_METADATA_PAIRS:
        bounds = {"field_type": "Dictionary", "max_length": MAX_METADATA_PAIRS, "actual_length": len(metadata)}
        raise PydanticKnownError("too_long", bounds)
    return metadata


def _no_empty_key(metadata: dict[str, str]) -> dict[str, str]:
    if "" in metadata:
        raise PydanticCustomError("metadata_key", "has an empty key; keys are text of one character or more")
    return metadata


def _distinct_events(events: tuple[EventType, ...]) -> tuple[EventType, ...]:
    if not events:
        raise PydanticCustomError("no_events", "is empty; name one event or more")
    return tuple(dict.fromkeys(events))


Input = Annotated[Any, WithJsonSchema({"type": ["string", "object"]})]
SourceVideoInput = Annotated[
    Input,
    Field(
        description='The source video: {"id": "video_…"} of a completed one of yours, '
        f"or a file ({VIDEO_NAMES}): {_SOURCES}; "
        'also as {"video_url": …} or {"file_id": …}. By id, absent fields are inherited from its settings.'
    ),
]
Url = Annotated[str, Field(min_length=1, max_length=MAX_URL_CHARS), WithJsonSchema({"type": "string"})]
Secret = Annotated[str, Field(max_length=MAX_SECRET_CHARS), WithJsonSchema({"type": "string"})]
Events = Annotated[tuple[EventType, ...], AS_LIST, AfterValidator(_distinct_events)]
Prompt = Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_CHARS), AfterValidator(_not_blank)]
Seconds = Annotated[Number, WithJsonSchema({"type": "string"})]
Text = Annotated[str, Field(max_length=MAX_PROMPT_CHARS)]
Overlap = Annotated[int, Field(ge=0, le=MAX_OVERLAP), AS_INTEGER]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1), AS_INTEGER]
Size = Annotated[
    str, Field(max_length=MAX_SIZE_CHARS), WithJsonSchema({"type": "string", "pattern": "^[0-9]+x[0-9]+$"})
]
MetadataKey = Annotated[str, Field(max_length=MAX_METADATA_KEY_CHARS), WithJsonSchema({"type": "string"})]
MetadataValue = Annotated[str, Field(max_length=MAX_METADATA_VALUE_CHARS)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    BeforeValidator(_few_pairs),
    AS_OBJECT,
    Field(max_length=MAX_METADATA_PAIRS),
    AfterValidator(_no_empty_key),
]


class WebhookBody(RequestModel):
    """The receiver of this video's events."""

    url: Url = Field(description="A public https address.")
    events: Events = DEFAULT_WEBHOOK_EVENTS
    secret: Secret | None = Field(
        None, description="whsec_ and the base64 of 24 to 64 bytes; the service's own if absent"
    )


class LoraBody(RequestModel):
    """A LoRA and its scale."""

    name: Name = Field(description="As GET /v1/models lists it.")
    scale: Number = Field(DEFAULT_LORA_SCALE, ge=-MAX_LORA_SCALE, le=MAX_LORA_SCALE)

    @model_validator(mode="before")
    @classmethod
    def _has_name(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.keys() <= cls.model_fields.keys() and not values.get("name"):
            raise PydanticCustomError("lora_name", 'needs a name in every entry, as in [{"name": "watercolour"}]')
        return values


class ShotChange(RequestModel):
    """The fields of a shot that a remix changes; the others stay."""

    prompt: Prompt | None = Field(None, description="What the shot shows.")
    num_frames: Integer | None = Field(None, description="Frames of this shot, a multiple of 8; or send seconds.")
    seconds: Seconds | None = Field(None, description="Playing time, rounded to the nearest possible one.")
    negative_prompt: Text | None = Field(None, description="What the shot does not show.")
    image: Input = Field(None, description=f"The start image of the shot, which begins with a cut: {_SOURCES}.")
    last_image: Input = Field(None, description="The end image of the shot; sent like the start image.")
    seed: Seed | None = Field(None, description="The seed of the shot.")
    overlap: Overlap | None = Field(
        None, description="Frames of the shot before that it continues from; 0 is a cut, which a new image needs."
    )


class ShotBody(ShotChange):
    """One shot of a film."""

    prompt: Prompt = Field(description="What the shot shows.")
    negative_prompt: Text | None = Field(
        None, description="What the shot does not show; that of the request if absent."
    )
    seed: Seed | None = Field(None, description="The seed of the request plus the index of the shot if absent.")
    overlap: Overlap | None = Field(
        None,
        description="Frames of the shot before that it continues from; 0 is a cut. If absent, that of the request, and "
        "0 with an image.",
    )


def _to_shots(value: Any) -> tuple[ShotBody, ...]:
    """The shots of a film, whose refusals name the shot. Raises InvalidRequest."""
    try:
        shots = _shot_list(to_list(value, "shots"))
        return tuple(validate(ShotBody, to_object(shot, f"shots[{i}]"), f"shots[{i}]") for i, shot in enumerate(shots))
    except InvalidRequest as error:
        code = "invalid_shots" if error.code == "invalid_request" else error.code
        raise error.with_place(str(error), error.param or "shots", code) from error


def _to_shot_changes(value: Any) -> dict[str, ShotChange]:
    """The changed shots by their index as text; refusals name the shot. Raises InvalidRequest."""
    try:
        return {index: _shot_change(index, shot) for index, shot in _indexed(value).items()}
    except InvalidRequest as error:
        code = "invalid_shots" if error.code == "invalid_request" else error.code
        raise error.with_place(str(error), error.param or "shots", code) from error


def _indexed(value: Any) -> dict[str, Any]:
    values = to_object(value, "shots")
    if isinstance(values, list) and len(values) == 1 and isinstance(values[0], dict):  # of a form
        values = values[0]
    if not isinstance(values, dict) or not all(SHOT_INDEX.fullmatch(str(index)) for index in values):
        message = 'shots of a remix are an object by their index, as in {"1": {"prompt": "…"}}'
        raise InvalidRequest(message, "shots", reason="not_an_object")
    return values


def _shot_change(index: str, shot: Any) -> ShotChange:
    name = f"shots[{index}]"
    return validate(ShotChange, to_object(shot, name), name)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _shot_list(values: list[Any]) -> list[Any]:
    """The shots in order; a form numbers them, as in `shots[0][prompt]`."""
    if len(values) == 1 and isinstance(values[0], dict) and values[0] and all(map(str.isdecimal, values[0])):
        numbered = {int(name): shot for name, shot in values[0].items()}
        values = [numbered[number] for number in sorted(numbered)]
        if sorted(numbered) != list(range(len(values))):
            message = "shots are numbered from 0 without a gap, as in shots[0][prompt]"
            raise InvalidRequest(message, "shots", reason="not_a_list")
    if not 1 <= len(values) <= MAX_SHOTS:
        message = f"shots has {len(values)} entries; a film has 1 to {MAX_SHOTS} shots"
        raise InvalidRequest(message, "shots", reason="film_shot_count", count=len(values), most=MAX_SHOTS)
    return values


class PreviewsBody(RequestModel):
    """How often preview images are made."""

    every_steps: Integer = Field(ge=1)


class DraftBody(RequestModel):
    """After how many steps a draft ends."""

    steps: Integer = Field(ge=1, description="Fewer than num_inference_steps.")


class ImageReference(RequestModel):
    """An image by its link or by the id of an uploaded file."""

    image_url: Input = None
    file_id: Name | None = None


class VideoReference(RequestModel):
    """A video by its id, its link or the id of an uploaded file."""

    id: Name | None = None
    file_id: Name | None = None
    video_url: Input = None


Deadline = Annotated[
    Number | None,
    Field(description="Unix seconds; a job without a result by then ends with `deadline_exceeded`."),
]


ShareWork = Annotated[
    Flag,
    Field(
        description="Whether an equal video of yours that has not ended yet and this one share one run, where the "
        "operator has turned that on. It needs a seed. Each keeps its own record, and false makes this one by itself."
    ),
]


class PromoteVideo(RequestModel):
    """The fields of a promotion: all settings are those of the draft."""

    priority: Priority = Field(
        Priority.NORMAL,
        description="Jobs of a higher priority start earlier; callers of one priority take turns.",
    )
    deadline: Deadline = None
    share_work: ShareWork = True
    webhook: Annotated[WebhookBody, AS_OBJECT] | None = None
    metadata: Metadata = Field(default_factory=dict)


class DescribedVideo(RequestModel):
    """The fields of every request for a video with a prompt of its own."""

    prompt: Prompt = Field(description="What the video shows.")
    priority: Priority = Field(
        Priority.NORMAL,
        description="Jobs of a higher priority start earlier; callers of one priority take turns.",
    )
    deadline: Deadline = None
    share_work: ShareWork = True
    webhook: Annotated[WebhookBody, AS_OBJECT] | None = None
    metadata: Metadata = Field(default_factory=dict)


class RemixVideo(DescribedVideo):
    """The fields of a remix: another prompt, or for a film the shots that change."""

    prompt: Prompt = Field(
        "",
        description="What the video shows. A film has the prompts of its shots instead.",
        json_schema_extra=_without_default,
    )
    shots: Annotated[dict[str, ShotChange], BeforeValidator(_to_shot_changes)] | None = Field(
        None,
        description="The shots of a film that change, by their index from 0; the fields that are not sent stay. "
        'Only windows whose inputs changed need to be generated again. As {"1": {"prompt": "…"}}; in a form: '
        "shots[1][prompt].",
    )

    @model_validator(mode="before")
    @classmethod
    def _has_prompt_or_changes(cls, values: Any) -> Any:
        is_accepted = isinstance(values, dict) and values.keys() <= cls.model_fields.keys()
        if is_accepted and values.get("prompt") is None and values.get("shots") is None:
            raise InvalidRequest("prompt is missing", "prompt", reason="missing")
        return values


class _Generation(DescribedVideo):
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
    previews: Annotated[PreviewsBody, AS_OBJECT] | None = Field(
        None, description="A small image of the current state, after every so many steps."
    )

    @field_validator("loras")
    @classmethod
    def _loras_are_distinct(cls, loras: tuple[LoraBody, ...]) -> tuple[LoraBody, ...]:
        if len({lora.name for lora in loras}) < len(loras):
            raise PydanticCustomError("repeated_lora", "names a LoRA twice; send it once, with the sum of its scales")
        return loras


class _Repainting(RequestModel):
    mask: Input = Field(None, description="An image: white is generated anew, darker areas are kept.")
    strength: Annotated[float, Field(gt=0, le=1), AS_NUMBER] | None = Field(
        None,
        description="Share of the denoising steps that run; less keeps more of the source video. "
        "0.7 if absent, 1 with a mask.",
    )


class _Windows(RequestModel):
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


class EditVideo(_Repainting, _Generation):
    """A request to change a video."""

    video: SourceVideoInput


class ExtendVideo(_Windows, _Generation):
    """A request to continue a video."""

    video: SourceVideoInput


class CreateVideo(_Windows, _Repainting, _Generation):
    """A request for a new video, of one prompt or of several shots."""

    prompt: Prompt = Field(
        "",
        description="What the video shows. A film has the prompts of its shots instead.",
        json_schema_extra=_without_default,
    )
    shots: Annotated[tuple[ShotBody, ...], BeforeValidator(_to_shots)] = Field(
        default_factory=tuple,
        max_length=MAX_SHOTS,
        description="The shots of a film, in place of prompt and num_frames. In a form: shots[0][prompt].",
    )
    video: SourceVideoInput = None
    image: Input = Field(
        None,
        description=f"The start image ({IMAGE_NAMES}): {_SOURCES}; "
        'also as {"image_url": …} or {"file_id": …}. It is turned upright, transparency becomes white.',
    )
    input_reference: Input = Field(None, description="The same as image, by its OpenAI name.")
    draft: Annotated[DraftBody, AS_OBJECT] | None = Field(
        None,
        description="Ends after so many steps with an estimate; POST /v1/videos/{id}/promote finishes it.",
    )
    resize_to_image: Flag = Field(False, description="Uses the aspect ratio of the start image.")
    n: Integer = Field(
        1,
        ge=1,
        le=MAX_VIDEOS,
        description="How many, with consecutive seeds. The answer is the first one's record; `batch` names all.",
    )

    @property
    def start_image(self) -> Any:
        """The start image, under either of its names."""
        return self.input_reference if self.image is None else self.image

    @model_validator(mode="before")
    @classmethod
    def _has_prompt_or_shots(cls, values: Any) -> Any:
        is_accepted = isinstance(values, dict) and values.keys() <= cls.model_fields.keys()
        if is_accepted and values.get("prompt") is None and values.get("shots") is None:
            raise InvalidRequest("prompt is missing", "prompt", reason="missing")
        return values

    @model_validator(mode="after")
    def _has_one_start_image(self) -> Self:
        if self.image is not None and self.input_reference is not None:
            message = "image and input_reference are two names of one field; send one of them"
            raise InvalidRequest(message, "image", reason="two_start_images")
        return self


INPUT_FIELDS = frozenset({"image", "input_reference", "last_image", "video", "mask"})
