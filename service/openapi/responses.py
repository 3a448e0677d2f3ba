"""Responses of routes for the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

from easyanimate.media.formats import READ_FORMATS
from service.http.error_codes import ERROR_CODES, RATE_LIMIT_HEADERS
from service.openapi.examples import video_examples
from service.openapi.headers import response_headers
from service.schemas.video import Video

SCHEMAS = "#/components/schemas/"
EXAMPLES = "#/components/examples/"
PROBLEM = "application/problem+json"
STATES = tuple(video_examples())
MEDIA_TYPES = ("video/mp4", "image/png", "image/webp", "image/jpeg")
UPLOAD_MEDIA_TYPES = tuple(file_format.media_type for file_format in READ_FORMATS)
BINARY = {"type": "string", "format": "binary"}

# Codes of the errors that the common parts of routes raise.
KEY_ERRORS = ("invalid_api_key", "queue_unavailable", "record_unreadable")
VIDEO_ERRORS = (*KEY_ERRORS, "video_not_found")
QUERY_ERRORS = ("invalid_request", "unknown_parameter")
BODY_ERRORS = (*QUERY_ERRORS, "payload_too_large", "unsupported_media_type")
CONTENT_ERRORS = ("asset_expired", "range_not_satisfiable", "storage_unavailable")
INPUT_ERRORS = (
    "prompt_not_understood",
    "invalid_size",
    "invalid_seconds",
    "invalid_shots",
    "unsupported_image",
    "unsupported_video",
    "url_not_allowed",
    "image_fetch_failed",
    "video_fetch_failed",
    "model_not_found",
    "lora_not_found",
    "file_not_found",
    "video_not_ready",
    "asset_expired",
    "storage_unavailable",
    "decoder_unavailable",
    "model_unavailable",
)
IDEMPOTENCY_ERRORS = ("idempotency_in_flight", "idempotency_key_reused", "not_durable")
CAPACITY_ERRORS = ("moderation_refused", "rate_limited", "queue_full", "draining")
SUBMIT_ERRORS = (*VIDEO_ERRORS, *BODY_ERRORS, *INPUT_ERRORS, *IDEMPOTENCY_ERRORS, *CAPACITY_ERRORS)
ESTIMATE_ERRORS = (*VIDEO_ERRORS, *BODY_ERRORS, *INPUT_ERRORS, *CAPACITY_ERRORS)


def errors(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route with these codes, and the 500 that every route has."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*codes, "internal_error")):
        by_status.setdefault(ERROR_CODES[code].status, []).append(code)
    return {status: _error_response(codes) for status, codes in sorted(by_status.items())}


def video_response(description: str, *headers: str, states: Iterable[str] = STATES) -> dict[str, Any]:
    """A response with the record of a video, with an example for each of these states."""
    content = {"examples": {name: {"$ref": EXAMPLES + name} for name in states}}
    return {
        "model": Video,
        "description": description,
        "headers": response_headers(*headers),
        "content": {"application/json": content},
    }


def accepted_responses() -> dict[int | str, dict[str, Any]]:
    """The responses of routes that create a video: the record, with status 200 or 202."""
    headers = ("Location", "ETag", "openai-poll-after-ms", "Idempotency-Replayed", *RATE_LIMIT_HEADERS)
    return {
        200: video_response("The record of the accepted video", *headers, states=["queued"]),
        202: video_response(
            "The same, with `Prefer: respond-async`", *headers, "Preference-Applied", states=["queued"]
        ),
    }


def file_responses() -> dict[int | str, dict[str, Any]]:
    """The responses of routes that serve a file: the whole, a range, not modified, or a redirect."""
    content: dict[str, Any] = {media_type: {"schema": BINARY} for media_type in MEDIA_TYPES}
    content["application/json"] = {"schema": {"type": "object", "description": "The manifest of the video."}}
    redirect = {"description": "A link that needs no key", "headers": response_headers("Location", "Cache-Control")}
    return {**_range_responses(content), 302: redirect}


def upload_responses() -> dict[int | str, dict[str, Any]]:
    """The responses with the content of an uploaded file."""
    return _range_responses({media_type: {"schema": BINARY} for media_type in UPLOAD_MEDIA_TYPES})


def not_modified() -> dict[str, Any]:
    """The response to an `If-None-Match` that matches."""
    return {"description": "Not modified: your copy is current", "headers": response_headers("ETag", "Cache-Control")}


def _range_responses(content: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    headers = ("ETag", "Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Length")
    return {
        200: {"description": "The whole file", "headers": response_headers(*headers), "content": content},
        206: {"description": "The range", "headers": response_headers(*headers, "Content-Range"), "content": content},
        304: not_modified(),
    }


def _error_response(codes: list[str]) -> dict[str, Any]:
    headers = dict.fromkeys(name for code in codes for name in ERROR_CODES[code].headers)
    examples = {code: {"$ref": EXAMPLES + code} for code in codes}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": response_headers(*headers),
        "content": {PROBLEM: {"schema": {"$ref": SCHEMAS + "ProblemBody"}, "examples": examples}},
    }
