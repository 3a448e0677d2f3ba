"""The base of request bodies, and field types that accept the texts of forms."""

import math
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from service.http.body import parse_json

WHOLE = re.compile(r"[+-]?[0-9]{1,19}(\.0{1,9})?")
NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,4})?")
MAX_INTEGER = 2**63
MAX_NAME_CHARS = 100


class RequestModel(BaseModel, frozen=True, extra="forbid"):
    """An object of a request body. A null field counts as absent, and an unknown one is refused."""

    @model_validator(mode="before")
    @classmethod
    def _accepted_fields(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        unknown = next((name for name in values if name not in cls.model_fields), None)
        if unknown is not None:
            context = {"unknown": [unknown], "accepted": list(cls.model_fields)}  # a string must be valid UTF-8
            raise PydanticCustomError("unknown_parameter", "unknown parameter", context)
        return {name: value for name, value in values.items() if value is not None}


def _to_integer(value: Any) -> Any:
    if isinstance(value, str) and WHOLE.fullmatch(value):
        value = int(value.split(".")[0])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_INTEGER:
        raise PydanticCustomError("whole_number", "must be a whole number")
    return value


def _to_float(value: Any) -> Any:
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value if abs(value) < MAX_INTEGER else math.inf):
        raise PydanticCustomError("finite_number", "must be a finite number")
    return float(value)


def _to_bool(value: Any) -> Any:
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False}.get(value.lower(), value)
    if not isinstance(value, bool):
        raise PydanticCustomError("true_or_false", "must be true or false")
    return value


def to_object(value: Any, name: str) -> Any:
    """The value of a JSON text that holds an object or a list; other values are unchanged. Raises InvalidRequest."""
    return parse_json(value, name) if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") else value


def to_list(value: Any, name: str) -> list[Any]:
    """A list, also from its JSON text or from its only entry. Raises InvalidRequest."""
    value = to_object(value, name)
    return value if isinstance(value, list) else [value]


def _to_object(value: Any, info: ValidationInfo) -> Any:
    return to_object(value, info.field_name or "an entry")


def _to_list(value: Any, info: ValidationInfo) -> Any:
    return to_list(value, info.field_name or "an entry")


AS_INTEGER, AS_NUMBER = BeforeValidator(_to_integer), BeforeValidator(_to_float)
Integer = Annotated[int, AS_INTEGER]
Number = Annotated[float, AS_NUMBER]
Flag = Annotated[bool, BeforeValidator(_to_bool)]
Name = Annotated[str, Field(max_length=MAX_NAME_CHARS), WithJsonSchema({"type": "string"})]
AS_OBJECT = BeforeValidator(_to_object)  # an object that may be sent as JSON text
AS_LIST = BeforeValidator(_to_list)  # a list that may be sent as JSON text or as its only entry
