"""The body of a request: read up to the limit, then understood as JSON or as a form, whichever it says it is."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from python_multipart.multipart import parse_options_header

from jobs.errors import InvalidRequest
from service.http.errors import ApiError
from service.http.forms import read_multipart


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


SHORT_BYTES = 16_384


@dataclass(frozen=True)
class Body:
    """What was sent, not yet understood. Unless it is short, that is work for a thread, not for the event loop."""

    content_type: str
    data: bytes

    @property
    def is_short(self) -> bool:
        """Whether it is read in no time."""
        return len(self.data) <= SHORT_BYTES

    def fields(self) -> dict[str, Any]:
        """The tree of fields, the same for JSON and forms. Raises InvalidRequest, ApiError."""
        media_type, options = parse_options_header(self.content_type)
        if media_type == b"application/json":
            return self._json()
        if media_type == b"multipart/form-data":
            if not options.get(b"boundary"):
                raise InvalidRequest("the Content-Type multipart/form-data lacks its boundary")
            return read_multipart(self.data, options[b"boundary"])
        message = "send Content-Type: application/json or multipart/form-data"
        raise ApiError("unsupported_media_type", message, headers={"Accept": "application/json, multipart/form-data"})

    def _json(self) -> dict[str, Any]:
        try:
            text = self.data.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest("the body is not valid UTF-8") from error
        fields = read_json(text, "the body")
        if not isinstance(fields, dict):
            raise InvalidRequest('the body must be a JSON object, as in {"prompt": "a red fox"}')
        return fields
