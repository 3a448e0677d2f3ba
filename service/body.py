"""The body of a request: read up to the limit, then understood as JSON or as a form, whichever it says it is."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from python_multipart.multipart import parse_options_header

from jobs.errors import InvalidRequest
from service.multipart import read_multipart
from service.parts import PartsDep
from service.problems import Problem
from service.strict_json import read_json

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
        """The tree of fields, the same for JSON and forms. Raises InvalidRequest, Problem."""
        media_type, options = parse_options_header(self.content_type)
        if media_type == b"application/json":
            return self._json()
        if media_type == b"multipart/form-data":
            if not options.get(b"boundary"):
                raise InvalidRequest("the Content-Type multipart/form-data lacks its boundary")
            return read_multipart(self.data, options[b"boundary"])
        message = "send Content-Type: application/json or multipart/form-data"
        raise Problem("unsupported_media_type", message, headers={"Accept": "application/json, multipart/form-data"})

    def _json(self) -> dict[str, Any]:
        try:
            text = self.data.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest("the body is not valid UTF-8") from error
        fields = read_json(text, "the body")
        if not isinstance(fields, dict):
            raise InvalidRequest('the body must be a JSON object, as in {"prompt": "a red fox"}')
        return fields


async def read_body(request: Request, parts: PartsDep) -> Body:
    """The body, whole, if it is not over the limit. Raises Problem `payload_too_large`."""
    limit = parts.settings.body_limit_bytes
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > limit:
            raise _too_large(limit)
    return Body(request.headers.get("content-type", ""), bytes(data))


BodyDep = Annotated[Body, Depends(read_body)]


def _too_large(limit: int) -> Problem:
    return Problem("payload_too_large", f"a request may have {limit} bytes; send a smaller picture")
