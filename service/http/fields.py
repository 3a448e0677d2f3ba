"""Validation of a request's fields with Pydantic, and its errors as refusals of this API."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType
from starlette.datastructures import QueryParams

from jobs.errors import InvalidRequest
from service.http.forms import FormFile

PYDANTIC_TYPES = frozenset(get_args(ErrorType))
# The sentence of each of Pydantic's types of error. Other types have the sentences of the validators of this service.
SENTENCES = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_unicode": "has half a surrogate pair",
    "string_too_short": "is blank",
    "string_too_long": "has {count} characters; at most {max_length} are accepted",
    "too_long": "has {count} entries; at most {max_length} are accepted",
    "too_short": "is an empty list",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "is_instance_of": "must be a file part",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a finite number",
    "float_type": "must be a finite number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}
# The reason of each type of error, and the name of its bound in Pydantic's context.
REASONS = {
    "missing": ("missing", None),
    **dict.fromkeys(("string_type", "string_unicode"), ("not_text", None)),
    **dict.fromkeys(("string_too_short", "blank"), ("blank", None)),
    "string_too_long": ("too_many_characters", "max_length"),
    "too_long": ("too_many_entries", "max_length"),
    **dict.fromkeys(("too_short", "no_events"), ("empty_list", None)),
    "greater_than": ("not_above", "gt"),
    "greater_than_equal": ("too_small", "ge"),
    "less_than_equal": ("too_large", "le"),
    **dict.fromkeys(("enum", "literal_error"), ("not_a_choice", "expected")),
    **dict.fromkeys(("model_type", "dict_type"), ("not_an_object", None)),
    "tuple_type": ("not_a_list", None),
    "is_instance_of": ("not_a_file", None),
    **dict.fromkeys(
        ("int_parsing", "int_parsing_size", "int_from_float", "int_type", "whole_number"), ("not_whole", None)
    ),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), ("not_a_number", None)),
    **dict.fromkeys(("bool_parsing", "bool_type", "true_or_false"), ("not_true_or_false", None)),
    "repeated_lora": ("repeated_lora", None),
}
BOUND_NAMES = {"max_length": "most", "expected": "choices"}
Model = TypeVar("Model", bound=BaseModel)
OTHER_SENTENCE = "is not a valid value"
HINTS = {"user": 'send it as metadata, as in {"metadata": {"user": "…"}}'}  # of names that other APIs use
# Names of the same parameter in other programs and APIs.
ALIASES = {
    **dict.fromkeys(("sampler", "sampler_name", "sampling_method", "solver"), "scheduler"),
    **dict.fromkeys(("steps", "num_steps", "sampling_steps", "inference_steps"), "num_inference_steps"),
    **dict.fromkeys(("cfg", "cfg_scale", "guidance", "scale"), "guidance_scale"),
    **dict.fromkeys(("frames", "length", "num_frames_per_video", "frame_count", "video_length"), "num_frames"),
    **dict.fromkeys(("duration", "duration_seconds", "duration_s"), "seconds"),
    **dict.fromkeys(("text", "caption", "input"), "prompt"),
    **dict.fromkeys(("start_image", "init_image", "first_frame", "first_image", "image_url"), "image"),
    **dict.fromkeys(("end_image", "last_frame", "tail_image", "image_tail"), "last_image"),
    **dict.fromkeys(("resolution", "dimensions"), "size"),
    **dict.fromkeys(("frame_rate", "framerate"), "fps"),
    **dict.fromkeys(("callback_url", "webhook_url", "notify_url"), "webhook"),
    **dict.fromkeys(("num_videos", "num_outputs", "batch_size", "samples"), "n"),
    **dict.fromkeys(("lora", "lora_weights", "adapters"), "loras"),
}
KEY = "[key]"  # Pydantic's mark of an error in the name of a pair
MAX_PARAM_CHARS = 100


def validate(model: type[Model], values: object, path: str = "") -> Model:
    """`values` as this model; `path` is the name of the object in the request. Raises InvalidRequest."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)[0], path) from error


def refuse_unknown(names: Iterable[str], accepted: Collection[str], path: str = "") -> None:
    """Refuses the first name that is not accepted, with the nearest one that is. Raises InvalidRequest."""
    for name in names:
        if name not in accepted:
            raise _unknown(name, accepted, path)


def check_query(query: QueryParams, accepted: Collection[str]) -> None:
    """Refuses a parameter of a query that is unknown or sent twice. Raises InvalidRequest."""
    refuse_unknown(query, accepted)
    for name in query:
        if len(query.getlist(name)) > 1:
            raise InvalidRequest(f"{name} is sent twice; send it once", name)


def _unknown(name: str, accepted: Collection[str], path: str) -> InvalidRequest:
    param = _join(path, name[:MAX_PARAM_CHARS])
    if name in HINTS and "metadata" in accepted:
        return InvalidRequest(f"there is no parameter {param}; {HINTS[name]}", param, "unknown_parameter")
    nearest = (
        [ALIASES[name]] if ALIASES.get(name) in accepted else get_close_matches(name[:MAX_PARAM_CHARS], accepted, 1)
    )
    hint = f"did you mean {_join(path, nearest[0])}?" if nearest else f"there are {', '.join(accepted)}"
    return InvalidRequest(f"there is no parameter {param}; {hint}", param, "unknown_parameter")


def _refusal(error: ErrorDetails, path: str) -> InvalidRequest:
    param, context, value = _param(path, error["loc"]), error.get("ctx", {}), error["input"]
    if error["type"] == "unknown_parameter":
        return _unknown(context["unknown"][0], context["accepted"], param)
    sentence = error_sentence(error)
    shown = f", got {_shown(value)}" if sentence.startswith("must ") else ""
    reason, values = _reason(error)
    return InvalidRequest(f"{param} {sentence}{shown}", param, "invalid_request", reason, **values)


def _reason(error: ErrorDetails) -> tuple[str | None, dict[str, str | float]]:
    """The reason of the refusal with its values; None for an error of a field that no program sends by mistake."""
    reason, name = REASONS.get(error["type"], (None, None))
    values: dict[str, str | float] = {} if name is None else {BOUND_NAMES.get(name, "bound"): error["ctx"][name]}
    if name == "max_length":
        values["count"] = len(error["input"])
    return reason, values


def error_sentence(error: ErrorDetails) -> str:
    """What is wrong with a value, in the words of this service."""
    error_type, context, value = error["type"], error.get("ctx", {}), error["input"]
    if error_type not in SENTENCES:
        return OTHER_SENTENCE if error_type in PYDANTIC_TYPES else error["msg"]
    count = len(value) if isinstance(value, str | list | tuple | dict) else 0
    bounds = {name: f"{bound:g}" if isinstance(bound, float) else bound for name, bound in context.items()}
    return SENTENCES[error_type].format(count=count, **bounds)


def _param(path: str, location: tuple[int | str, ...]) -> str:
    """The full name of a field, as in `webhook.url`; places in a list are left out."""
    names = [name for name in location if isinstance(name, str)]
    if names[-1:] == [KEY] and len(names) > 2:
        names[-2:] = ["key"]
    return _join(path, ".".join(names))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _shown(value: Any) -> str:
    """A value as a refusal shows it: short, and never the content of a file, list or object."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if abs(value) < 1e40 else "a very large one"
    kinds = {dict: "an object", list: "a list", FormFile: "a file", type(None): "null"}
    return kinds.get(type(value), type(value).__name__)
