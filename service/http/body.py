"""Request bodies: read up to the limit, then parsed as JSON or as a form by their Content-Type."""

import json
from collections.abc import AsyncGenerator
from typing import Any, NoReturn

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from jobs.errors import InvalidRequest
from service.http.errors import ApiError
from service.http.forms import read_form

MAX_NUMBER_CHARS = 1000  # Python refuses longer ones, since their conversion is slow
SHORT_BYTES = 16_384  # a longer body is parsed in a thread, not on the event loop


async def read_fields(request: Request, max_bytes: int, *, optional: bool = False) -> dict[str, Any]:
    """The tree of fields, the same for JSON and forms; none for an empty body if it is `optional`.

    A body must not be compressed. Raises InvalidRequest, ApiError `payload_too_large`, `unsupported_media_type`.
    """
    _refuse_compression(request)
    content_type = request.headers.get("content-type", "")
    media_type, options = parse_options_header(content_type)
    if optional and request.headers.get("content-length") == "0":
        return {}
    if media_type == b"multipart/form-data":
        if not options.get(b"boundary"):
            raise InvalidRequest("the Content-Type multipart/form-data lacks its boundary")
        return await read_form(content_type, _limited(request, max_bytes), max_bytes)
    data = b"".join([piece async for piece in _limited(request, max_bytes)])
    if optional and not data:
        return {}
    if media_type == b"application/json":
        return _json_fields(data) if len(data) <= SHORT_BYTES else await run_in_threadpool(_json_fields, data)
    message = "send Content-Type: application/json or multipart/form-data"
    raise ApiError("unsupported_media_type", message, headers={"Accept": "application/json, multipart/form-data"})


def parse_json(text: str, name: str) -> Any:
    """The value of this JSON text; `name` is its name in a refusal. Raises InvalidRequest."""
    try:
        return json.loads(
            text, object_pairs_hook=_unique_names, parse_constant=_refuse_constant, parse_int=_whole_number
        )
    except RecursionError as error:
        raise InvalidRequest(f"{name} is nested too deep") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"{name} is not valid JSON at {place}") from error


def _refuse_compression(request: Request) -> None:
    """Refuses a body with a `Content-Encoding` other than `identity`."""
    encodings = ",".join(request.headers.getlist("content-encoding")).split(",")
    if any(encoding.strip().lower() not in ("", "identity") for encoding in encodings):
        message = "a request body must not be compressed; send it without Content-Encoding"
        raise ApiError("unsupported_media_type", message, headers={"Accept-Encoding": "identity"})


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The pieces of the body, refused by its declared length or as soon as it is too long."""
    too_large = ApiError("payload_too_large", f"a request may have {max_bytes} bytes; send a smaller file")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    size_bytes = 0
    async for piece in request.stream():
        size_bytes += len(piece)
        if size_bytes > max_bytes:
            raise too_large
        yield piece


def _json_fields(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")  # RFC 8259 lets a parser skip a byte order mark
    except UnicodeDecodeError as error:
        raise InvalidRequest("the body is not valid UTF-8") from error
    fields = parse_json(text, "the body")
    if not isinstance(fields, dict):
        raise InvalidRequest('the body must be a JSON object, as in {"prompt": "a red fox"}')
    return fields


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidRequest(f"{name[:100]} is sent twice; send it once", name[:100])
        fields[name] = value
    return fields


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARS:
        raise InvalidRequest(f"a number has {len(digits)} digits; at most {MAX_NUMBER_CHARS} are accepted")
    return int(digits)


def _refuse_constant(word: str) -> NoReturn:
    raise InvalidRequest(f"{word} is not a JSON number; send a finite one")
