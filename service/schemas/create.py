"""The fields of a new video: one table for the reader of requests and for the OpenAPI document."""

from typing import Any

from jobs.model.request import DEFAULT_WEBHOOK_EVENTS, MAX_PROMPT_CHARS, WEBHOOK_EVENTS
from jobs.model.states import Priority

MAX_METADATA_PAIRS, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS = 16, 64, 512
MAX_GUIDANCE_SCALE = 20.0
MAX_URL_CHARS = 2048
MAX_LORAS, MAX_LORA_SCALE, DEFAULT_LORA_SCALE = 4, 2.0, 0.55
MAX_OVERLAP = 4
MAX_VIDEOS = 8

WAYS = "a file part, an https link, the id of a file from POST /v1/files, or a data: URL"

IMAGE = (
    f"The start picture (PNG, JPEG, WebP or still GIF): {WAYS}; "
    'also as {"image_url": …} or {"file_id": …}. It is turned upright, transparency becomes white.'
)

VIDEO = (
    'The video to be changed or continued: {"id": "video_…"} of a completed one of yours, or an MP4: '
    f'{WAYS}; also as {{"video_url": …}} or {{"file_id": …}}. By id its settings are taken over where the request says '
    "nothing else."
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

LORA: dict[str, Any] = {
    "name": {"type": "string", "description": "As GET /v1/models lists it."},
    "scale": {"type": "number", "minimum": -MAX_LORA_SCALE, "maximum": MAX_LORA_SCALE, "default": DEFAULT_LORA_SCALE},
}

INPUTS: dict[str, Any] = {
    "image": {"type": ["string", "object"], "description": IMAGE},
    "input_reference": {"type": ["string", "object"], "description": "The same as image, by its OpenAI name."},
    "last_image": {
        "type": ["string", "object"],
        "description": "The picture the video shall end in; sent as the start picture.",
    },
    "video": {"type": ["string", "object"], "description": VIDEO},
    "mask": {
        "type": ["string", "object"],
        "description": "A picture: white where the video is made anew, darker where it stays.",
    },
}

CREATE: dict[str, Any] = {
    "prompt": {"type": "string", "minLength": 1, "maxLength": MAX_PROMPT_CHARS},
    "model": {"type": "string", "description": "May be left out when there is only one."},
    "negative_prompt": {"type": "string", "maxLength": MAX_PROMPT_CHARS, "default": ""},
    **INPUTS,
    "size": {"type": "string", "pattern": "^[0-9]+x[0-9]+$", "description": "WIDTHxHEIGHT; or give width and height."},
    "width": {"type": "integer", "description": "Pixels, a multiple of 16."},
    "height": {"type": "integer", "description": "Pixels, a multiple of 16."},
    "resize_to_image": {"type": "boolean", "default": False, "description": "Take the shape of the start picture."},
    "seconds": {
        "type": "string",
        "description": "Playing time; becomes the nearest number of frames the model makes, and `warnings` says so.",
    },
    "num_frames": {"type": "integer", "description": "1 or a multiple of 8; instead of seconds. 1 makes a PNG."},
    "overlap": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_OVERLAP,
        "default": MAX_OVERLAP,
        "description": "Frames that each window of a long video is given of the one before.",
    },
    "fps": {"type": "integer", "description": "Frames a second; only the model's own rate works in this version."},
    "num_inference_steps": {"type": "integer", "minimum": 1},
    "guidance_scale": {"type": "number", "minimum": 0, "maximum": MAX_GUIDANCE_SCALE},
    "strength": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1,
        "description": "How much of the video is made anew: 0.7, or 1 with a mask, if absent.",
    },
    "clip_apply_ratio": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0.5,
        "description": "The last share of the steps that see the start picture as a whole.",
    },
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "description": "Random if absent."},
    "n": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_VIDEOS,
        "default": 1,
        "description": "How many, with consecutive seeds. The answer is the first one's record; `batch` names all.",
    },
    "scheduler": {"type": "string"},
    "loras": {
        "type": "array",
        "maxItems": MAX_LORAS,
        "items": {"type": "object", "properties": LORA, "required": ["name"], "additionalProperties": False},
    },
    "smooth": {"type": "boolean", "default": True, "description": "Soften the seam every eight frames."},
    "clean_caption": {
        "type": "boolean",
        "default": True,
        "description": "Clean the prompts as the model's training did.",
    },
    "priority": {
        "type": "string",
        "enum": list(Priority),
        "default": Priority.NORMAL,
        "description": "Jobs of a higher priority go before, by a head start; callers of one priority take turns.",
    },
    "deadline": {
        "type": "number",
        "description": "Unix seconds; without a video by then the job is given up with `deadline_exceeded`.",
    },
    "previews": {
        "type": "object",
        "description": "A small picture of how it looks so far, after every so many steps.",
        "properties": {"every_steps": {"type": "integer", "minimum": 1}},
        "required": ["every_steps"],
        "additionalProperties": False,
    },
    "webhook": {"type": "object", "properties": WEBHOOK, "required": ["url"], "additionalProperties": False},
    "metadata": {
        "type": "object",
        "maxProperties": MAX_METADATA_PAIRS,
        "additionalProperties": {"type": "string", "maxLength": MAX_METADATA_VALUE_CHARS},
    },
}


def _without(*names: str) -> dict[str, Any]:
    return {name: schema for name, schema in CREATE.items() if name not in names}


EDIT = _without("n", "image", "input_reference", "last_image", "resize_to_image", "overlap", "clip_apply_ratio")
EXTEND = _without("n", "image", "input_reference", "mask", "strength", "resize_to_image")
REMIX = {name: CREATE[name] for name in ("prompt", "priority", "deadline", "webhook", "metadata")}


QUICK = frozenset(CREATE) - frozenset(INPUTS) - {"webhook"}  # nothing has to be fetched, read or resolved for these


def request_body(
    fields: dict[str, Any], examples: dict[str, dict[str, Any]], required: tuple[str, ...] = ("prompt",)
) -> dict[str, Any]:
    """The OpenAPI request body of an endpoint that takes these fields; examples by what they show."""
    schema = {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}
    files = {name: {**fields[name], "format": "binary"} for name in INPUTS if name in fields}
    form = {**schema, "properties": {**fields, **files}}
    shown = {name: {"value": value} for name, value in examples.items()}
    content: dict[str, Any] = {
        "application/json": {"schema": schema, "examples": shown},
        "multipart/form-data": {"schema": form},
    }
    return {"required": True, "content": content}
