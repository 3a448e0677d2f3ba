"""Validation of a request's fields with Pydantic, and its errors as refusals of this API."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from jobs.errors import InvalidRequest
from service.http.forms import FormFile

# The sentence of each type of error; the sentences of other types are those of the validators themselves.
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
}
Model = TypeVar("Model", bound=BaseModel)
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


def _unknown(name: str, accepted: Collection[str], path: str) -> InvalidRequest:
    param = _join(path, name[:MAX_PARAM_CHARS])
    nearest = get_close_matches(name[:MAX_PARAM_CHARS], accepted, n=1)
    hint = f"did you mean {_join(path, nearest[0])}?" if nearest else f"there are {', '.join(accepted)}"
    return InvalidRequest(f"there is no parameter {param}; {hint}", param, "unknown_parameter")


def _refusal(error: ErrorDetails, path: str) -> InvalidRequest:
    param, context, value = _param(path, error["loc"]), error.get("ctx", {}), error["input"]
    if error["type"] == "unknown_parameter":
        return _unknown(context["unknown"][0], context["accepted"], param)
    sentence = _sentence(error["type"], context, value) if error["type"] in SENTENCES else error["msg"]
    shown = f", got {_shown(value)}" if sentence.startswith("must ") else ""
    return InvalidRequest(f"{param} {sentence}{shown}", param)


def _sentence(error_type: str, context: dict[str, Any], value: Any) -> str:
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
    kinds = {dict: "an object", list: "a list", FormFile: "a file"}
    return kinds.get(type(value), type(value).__name__)
