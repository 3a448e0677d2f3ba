"""Responses of routes for the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

from service.http.errors import LIMIT_HEADERS, STATUS, headers_of
from service.openapi.examples import video_examples
from service.openapi.headers import response_headers
from service.schemas.video import Video

SCHEMAS = "#/components/schemas/"


EXAMPLES = "#/components/examples/"


PROBLEM = "application/problem+json"


STATES = tuple(video_examples())


MEDIA_TYPES = ("video/mp4", "image/png", "image/webp", "image/jpeg")


BYTES = {"type": "string", "format": "binary"}


def errors(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that can answer with these codes; nothing foresees the 500, so all have it."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*codes, "internal_error")):
        by_status.setdefault(STATUS[code], []).append(code)
    return {status: _refusal(found) for status, found in sorted(by_status.items())}


def video_response(about: str, *headers: str, states: Iterable[str] = STATES) -> dict[str, Any]:
    """What an answer with the record of a video looks like, in each of these states."""
    content = {"examples": {name: {"$ref": EXAMPLES + name} for name in states}}
    return {
        "model": Video,
        "description": about,
        "headers": response_headers(*headers),
        "content": {"application/json": content},
    }


def accepted_responses() -> dict[int | str, dict[str, Any]]:
    """The answers to a request for a video: the same record with either status."""
    headers = ("Location", "ETag", "openai-poll-after-ms", "Idempotency-Replayed", *LIMIT_HEADERS)
    return {
        200: video_response("The record of the accepted video", *headers, states=["queued"]),
        202: video_response(
            "The same, with `Prefer: respond-async`", *headers, "Preference-Applied", states=["queued"]
        ),
    }


def file_responses() -> dict[int | str, dict[str, Any]]:
    """The answers with a file: whole, a part of it, nothing new, or where to find it."""
    headers = ("ETag", "Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Length")
    content: dict[str, Any] = {media_type: {"schema": BYTES} for media_type in MEDIA_TYPES}
    content["application/json"] = {"schema": {"type": "object", "description": "The manifest: how it was made."}}
    return {
        200: {"description": "The whole file", "headers": response_headers(*headers), "content": content},
        206: {"description": "The range", "headers": response_headers(*headers, "Content-Range"), "content": content},
        302: {"description": "A link that needs no key", "headers": response_headers("Location", "Cache-Control")},
        304: not_modified(),
    }


def upload_responses() -> dict[int | str, dict[str, Any]]:
    """The answers with the content of a file that was sent ahead."""
    types = ("image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4")
    found = {status: answer for status, answer in file_responses().items() if status != 302}
    for status in (200, 206):
        found[status] = {**found[status], "content": {media_type: {"schema": BYTES} for media_type in types}}
    return found


def not_modified() -> dict[str, Any]:
    """The answer to an `If-None-Match` that still matches."""
    return {"description": "What you have is still good", "headers": response_headers("ETag", "Cache-Control")}


def _refusal(codes: list[str]) -> dict[str, Any]:
    headers = dict.fromkeys(name for code in codes for name in headers_of(code))
    examples = {code: {"$ref": EXAMPLES + code} for code in codes}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": response_headers(*headers),
        "content": {PROBLEM: {"schema": {"$ref": SCHEMAS + "ProblemBody"}, "examples": examples}},
    }
