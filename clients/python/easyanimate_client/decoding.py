"""JSON objects as records. Records of newer and older services can be read too."""

from collections.abc import Hashable, Mapping
from dataclasses import fields
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def decode(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """`values` as a record of this class. Unknown fields are dropped, missing ones are None."""
    hints = _hints(cast(Hashable, kind))
    raw = {name: values.get(name.rstrip("_")) for name in hints}  # `from` is `from_`, since Python reserves the word
    return kind(**{name: _value(hint, raw[name]) for name, hint in hints.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _value(hint: Any, value: Any) -> Any:
    """`value` with the objects in it as records, where `hint` names a class of records."""
    if value is None:
        return None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _value(next(argument for argument in arguments if argument is not type(None)), value)
    if origin is list and isinstance(value, list):
        return [_value(arguments[0], item) for item in value]
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__") and isinstance(value, Mapping):
        return decode(hint, value)
    return value
