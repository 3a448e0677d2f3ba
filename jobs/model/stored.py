"""Values in Redis and storage that other releases write and read (docs/decisions/0039-values-of-other-releases.md).

A reader ignores fields and enum values that it does not define, and keeps them. A value that is written again has them
unchanged. Requests, settings and card files are checked strictly: `parse_stored` is only for stored values.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic_core import core_schema

from jobs.errors import RecordUnreadable

M = TypeVar("M", bound=BaseModel)
E = TypeVar("E", bound=StrEnum)


class StoredModel(BaseModel, frozen=True, allow_inf_nan=False):
    """A stored value. Values of the first build have no `schema_version`; they count as version 1.

    A number is finite: an infinite one could not be shown to its owner, nor could the list that contains it.

    A change that an older reader would misunderstand raises the version of its class.
    """

    schema_version: int = 1


class KeepsUnknown:
    """Annotates an enum field of a stored value: a text that is none of its values is kept as an undefined member."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The schema of the enum, which accepts any text."""

        def validate(value: Any, defined: core_schema.ValidatorFunctionWrapHandler) -> Any:
            try:
                return defined(value)
            except ValidationError:
                if isinstance(value, str):
                    return undefined_member(source, value)
                raise

        return core_schema.no_info_wrap_validator_function(validate, handler(source))


@lru_cache(maxsize=256)  # equal texts are one object, as the members of an enum are
def undefined_member(kind: type[E], text: str) -> E:
    """An instance of this enum with a value that it does not define."""
    member = str.__new__(kind, text)
    member._name_ = member._value_ = text
    return member


def to_member(kind: type[E], text: str) -> E:
    """The member with this value, or an undefined one."""
    return next((member for member in kind if member == text), None) or undefined_member(kind, text)


def is_defined(member: StrEnum) -> bool:
    """Whether this release defines the member."""
    return any(member is defined for defined in type(member))


def parse_stored(kind: type[M], content: str | bytes) -> M:
    """Parses a stored value. Raises RecordUnreadable."""
    try:
        return kind.model_validate_json(content, extra="forbid")  # most values have no unknown fields
    except ValidationError:
        pass
    try:
        return kind.model_validate_json(content, extra="allow")
    except ValidationError as error:
        raise RecordUnreadable(_reason(kind, error)) from error


def parse_stored_hash(kind: type[M], fields: Mapping[bytes, bytes]) -> M:
    """Parses a stored hash whose values are plain texts. Raises RecordUnreadable."""
    try:
        return kind.model_validate({name.decode(): value.decode() for name, value in fields.items()}, extra="allow")
    except UnicodeDecodeError as error:
        raise RecordUnreadable(f"the stored {kind.__name__} cannot be read: it is no UTF-8") from error
    except ValidationError as error:
        raise RecordUnreadable(_reason(kind, error)) from error


def add_unknown_fields(value: BaseModel, fields: dict[str, Any]) -> dict[str, Any]:
    """Adds the unknown fields of `value`, and of the values in it, to its serialised `fields`."""
    for name in type(value).model_fields:
        if name in fields:
            _add_to_nested(getattr(value, name), fields[name])
    fields.update(value.model_extra or {})
    return fields


def dump_stored(value: BaseModel) -> dict[str, Any]:
    """All fields of a stored value as values of JSON, also those that this release does not define."""
    return add_unknown_fields(value, value.model_dump(mode="json"))


def unknown_parts(value: BaseModel, before: str = "") -> Iterator[str]:
    """The paths of the fields and enum values that this release does not define, such as `request.scenes`."""
    yield from (f"{before}{name}" for name in value.model_extra or {})
    for name in type(value).model_fields:
        child = getattr(value, name)
        for part in child if isinstance(child, tuple) else (child,):
            if isinstance(part, BaseModel):
                yield from unknown_parts(part, f"{before}{name}.")
            elif isinstance(part, StrEnum) and not is_defined(part):
                yield f"{before}{name}={part}"


def _add_to_nested(value: Any, dumped: Any) -> None:
    if isinstance(value, BaseModel):
        add_unknown_fields(value, dumped)
    elif isinstance(value, tuple):
        for part, dumped_part in zip(value, dumped, strict=True):
            _add_to_nested(part, dumped_part)


def _reason(kind: type[BaseModel], error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return f"the stored {kind.__name__} cannot be read: {field or 'its content'}: {fault['msg']}"
