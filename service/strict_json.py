"""JSON as a caller should send it: one value for each name, plain numbers, not too deep; else a clear refusal."""

import json
from typing import Any, NoReturn

from jobs.errors import InvalidRequest


def read_json(text: str, what: str) -> Any:
    """The value of this JSON text; `what` names it in a refusal. Raises InvalidRequest."""
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_not_json)
    except RecursionError as error:
        raise InvalidRequest(f"{what} is nested too deep") from error
    except ValueError as error:  # JSONDecodeError, or a number of thousands of digits
        raise InvalidRequest(f"{what} is not valid JSON: {error}") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(f"{name[:100]} is there twice; give it once", name[:100])
        found[name] = value
    return found


def _not_json(word: str) -> NoReturn:
    raise InvalidRequest(f"{word} is no JSON number; give a finite one")
