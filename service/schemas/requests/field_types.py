"""The types of the fields of a request for a video, with their bounds."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from easyanimate.media.formats import VIDEO_NAMES
from jobs.model.request import MAX_PROMPT_CHARS, EventType
from service.schemas.request_model import AS_INTEGER, AS_LIST, AS_OBJECT, Flag, Number

MAX_METADATA_PAIRS, MAX_METADATA_KEY_CHARS, MAX_METADATA_VALUE_CHARS = 16, 64, 512
MAX_URL_CHARS, MAX_SECRET_CHARS, MAX_SIZE_CHARS = 2048, 200, 20
MAX_OVERLAP = 4

SOURCES = "a file part, an https link, the id of a file from POST /v1/files, or a data: URL"


def _not_blank(prompt: str) -> str:
    """Refuses a prompt without a visible character: one of spaces, control characters or marks of zero width."""
    if not any(letter.isprintable() and not letter.isspace() for letter in prompt):
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
        f"or a file ({VIDEO_NAMES}): {SOURCES}; "
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
