"""The objects inside a request for a video: webhook, LoRA, previews, draft, and references to files."""

from typing import Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from jobs.model.request import DEFAULT_WEBHOOK_EVENTS
from service.schemas.request_model import Integer, Name, Number, RequestModel
from service.schemas.requests.field_types import Events, Input, Secret, Url

MAX_LORA_SCALE, DEFAULT_LORA_SCALE = 2.0, 0.55


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
        example = 'in every entry, as in [{"name": "watercolour"}]'
        if not isinstance(values, dict):
            raise PydanticCustomError("lora_object", f"needs an object with a name {example}")
        if values.keys() <= cls.model_fields.keys() and not values.get("name"):
            raise PydanticCustomError("lora_name", f"needs a name {example}")
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
