"""The request and response headers, each described once; routes refer to them by name."""

from typing import Any

HEADERS = "#/components/headers/"

TEXT: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}

ABOUT_PREFER = (
    "`wait=N` delays the response until the video has ended, for at most N seconds (50 at most). `respond-async` on "
    "creation gives 202 unless the video has ended."
)

ABOUT_KEY = "A key of your choice. A retry with the same key and body within 24 hours gets the same video."

# Request headers: description, schema, example.
REQUEST_HEADERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "Cancel-After": ("A `deadline` relative to now, in seconds or as `10m` or `1h30m`.", TEXT, "10m"),
    "Idempotency-Key": (ABOUT_KEY, {"type": "string", "minLength": 1, "maxLength": 255}, "order-17"),
    "If-None-Match": ("The `ETag` of your copy: 304 without a body if it is current.", TEXT, 'W/"8f0c1d"'),
    "If-Range": ("`Range` applies only if the file still has this `ETag`.", TEXT, '"9b1d5a0c"'),
    "Last-Event-ID": ("The id of the last event received; the stream continues after it.", TEXT, "1795353732123000"),
    "Prefer": (ABOUT_PREFER, TEXT, "wait=30"),
    "Range": ("One range of bytes, as `bytes=0-1023`; several are answered with the whole file.", TEXT, "bytes=0-1023"),
}

# Response headers: description, schema.
RESPONSE_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "x-request-id": ("The id of this request, also in the operator's log. Your own id if it is valid.", TEXT),
    "Location": ("The record of the video, or the link to the file.", TEXT),
    "Link": ("`rel=next` is the next page, if there is one.", TEXT),
    "ETag": ("Changes with the content; send it back as `If-None-Match`.", TEXT),
    "Cache-Control": ("Responses are private and must be revalidated.", TEXT),
    "openai-poll-after-ms": ("Milliseconds to wait before the next poll; OpenAI's clients obey it.", COUNT),
    "Preference-Applied": ("The preferences of `Prefer` that were applied.", TEXT),
    "Idempotency-Replayed": ("This request was sent before; this is its video.", {"const": "true"}),
    "RateLimit-Policy": ('Your limits: `"requests";q=60;w=60` is 60 in 60 s. Absent without limits.', TEXT),
    "RateLimit": ('The rest of each limit: `"requests";r=59;t=1` is 59, fully restored in 1 s.', TEXT),
    "x-ratelimit-limit-requests": ("Your limit of requests for videos a minute, by OpenAI's name.", COUNT),
    "x-ratelimit-remaining-requests": ("The requests that are left, by OpenAI's name.", COUNT),
    "x-ratelimit-reset-requests": ("The time until the limit is fully restored, as `12s`, by OpenAI's name.", TEXT),
    "Retry-After": ("Seconds to wait before a retry, 60 at most.", COUNT),
    "x-should-retry": ("`false`: a retry will fail the same way. OpenAI's clients obey it.", {"const": "false"}),
    "WWW-Authenticate": ("The authentication scheme.", {"const": "Bearer"}),
    "Accept": ("The accepted content types.", TEXT),
    "Accept-Encoding": ("`identity`: a body must not be compressed.", {"const": "identity"}),
    "Accept-Ranges": ("`bytes`: `Range` requests are supported.", {"const": "bytes"}),
    "Content-Range": ("The range and the size, as `bytes 0-1023/4096`; `bytes */4096` in a 416 response.", TEXT),
    "Content-Length": ("The size of the body in bytes.", COUNT),
    "Content-Disposition": ("The file name for downloads.", TEXT),
}


def response_headers(*names: str) -> dict[str, Any]:
    """The `headers` of a response."""
    return {name: {"$ref": HEADERS + name} for name in names}


def request_headers(*names: str) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads these request headers."""
    return {"parameters": [_parameter(name, *REQUEST_HEADERS[name]) for name in names]}


def header_components() -> dict[str, Any]:
    """The response headers, as components of the OpenAPI document."""
    return {name: {"description": text, "schema": schema} for name, (text, schema) in RESPONSE_HEADERS.items()}


def _parameter(name: str, description: str, schema: dict[str, Any], example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": schema, "example": example}
