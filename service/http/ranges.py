"""Responses with stored files: range requests (RFC 9110), ETags and conditional requests."""

import re
from collections.abc import Iterator
from itertools import chain

from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from jobs.storage.content_disposition import attachment
from jobs.storage.interface import Storage, StoredObject
from service.http.errors import ApiError

RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


def range_response(request: Request, storage: Storage, key: str, filename: str, etag: str | None = None) -> Response:
    """A response with the object `key`. `etag` replaces that of the storage. Raises ApiError `asset_expired`."""
    try:
        stored = storage.stat(key)
        return _respond(request, storage, key, stored, _headers(filename, etag or stored.etag))
    except KeyError as error:
        raise ApiError("asset_expired", "the file is no longer stored") from error


def matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header contains this ETag; weak and strong ones are equal."""
    tags = {tag.strip().removeprefix("W/") for tag in (header or "").split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def _respond(request: Request, storage: Storage, key: str, stored: StoredObject, headers: dict[str, str]) -> Response:
    size = stored.size_bytes
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(None, 200, {**headers, "Content-Length": str(size)}, stored.content_type)
    byte_range = _byte_range(request.headers, size, headers["ETag"])
    start, length = byte_range or (0, size)
    headers["Content-Length"] = str(length)
    if byte_range:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    chunks = _prefetched(storage.read(key, start, length))
    return StreamingResponse(chunks, 206 if byte_range else 200, headers, stored.content_type)


def _byte_range(headers: Headers, size: int, etag: str) -> tuple[int, int] | None:
    """First byte and length of the requested range; None for the whole. Raises ApiError `range_not_satisfiable`."""
    match = RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", etag) != etag or not (match[1] or match[2]):
        return None  # no range, several ranges, or another version: send the whole
    if match[1]:
        start, last = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < start:
            return None
    else:
        start, last = max(0, size - int(match[2])), size - 1
    if start > last:
        message = f"the file has {size} bytes; the range {headers['range']} begins after them"
        raise ApiError("range_not_satisfiable", message, headers={"Content-Range": f"bytes */{size}"})
    return start, last - start + 1


def _headers(filename: str, etag: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": attachment(filename),
    }


def _prefetched(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the first already read: storage errors are raised before the response starts."""
    return chain([next(chunks, b"")], chunks)
