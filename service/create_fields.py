"""The fields of a new video: one table for the reader of requests and for the OpenAPI document."""

from typing import Any

from jobs.request import DEFAULT_WEBHOOK_EVENTS, MAX_PROMPT_CHARS, WEBHOOK_EVENTS

MAX_METADATA_PAIRS, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS = 16, 64, 512
MAX_GUIDANCE_SCALE = 20.0
MAX_URL_CHARS = 2048

PICTURE = (
    "The start picture: a file part (PNG, JPEG, WebP or still GIF), or a data: URL. It is turned upright, "
    "transparency becomes white."
)

WEBHOOK: dict[str, Any] = {
    "url": {"type": "string", "description": "A public https address."},
    "events": {
        "type": "array",
        "items": {"type": "string", "enum": list(WEBHOOK_EVENTS)},
        "default": list(DEFAULT_WEBHOOK_EVENTS),
    },
    "secret": {"type": "string", "description": "whsec_ and the base64 of 24 to 64 bytes; the service's own if absent"},
}

CREATE: dict[str, Any] = {
    "prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT_CHARS},
    "model": {"type": "string", "description": "May be left out when there is only one."},
    "negative_prompt": {"type": "string", "maxLength": MAX_PROMPT_CHARS, "default": ""},
    "image": {"type": "string", "description": PICTURE},
    "input_reference": {"type": "string", "description": "The same as image, by its OpenAI name."},
    "size": {"type": "string", "pattern": "^[0-9]+x[0-9]+$", "description": "WIDTHxHEIGHT; or give width and height."},
    "width": {"type": "integer", "description": "Pixels, a multiple of 16."},
    "height": {"type": "integer", "description": "Pixels, a multiple of 16."},
    "seconds": {
        "type": "string",
        "description": "Playing time; becomes the nearest number of frames the model makes, and `warnings` says so.",
    },
    "num_frames": {"type": "integer", "description": "1 or a multiple of 8; instead of seconds."},
    "fps": {"type": "integer", "description": "Frames a second; only the model's own rate works in this version."},
    "num_inference_steps": {"type": "integer", "minimum": 1},
    "guidance_scale": {"type": "number", "minimum": 0, "maximum": MAX_GUIDANCE_SCALE},
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "description": "Random if absent."},
    "scheduler": {"type": "string"},
    "webhook": {"type": "object", "properties": WEBHOOK, "required": ["url"], "additionalProperties": False},
    "metadata": {
        "type": "object",
        "maxProperties": MAX_METADATA_PAIRS,
        "additionalProperties": {"type": "string", "maxLength": MAX_METADATA_VALUE_CHARS},
    },
}

# Words of the contract that this version does not know yet: refused by name.
PLANNED = frozenset(
    {"last_image", "video", "mask", "resize_to_image", "strength", "loras", "priority", "deadline", "previews"}
)


def request_body() -> dict[str, Any]:
    """The OpenAPI request body of a new video."""
    schema = {"type": "object", "properties": CREATE, "required": ["prompt"], "additionalProperties": False}
    files = {"image": {**CREATE["image"], "format": "binary"}}
    files["input_reference"] = {**CREATE["input_reference"], "format": "binary"}
    form = {**schema, "properties": {**CREATE, **files}}
    return {
        "required": True,
        "content": {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}},
    }
