"""Every header a caller may send or will see, described once; the routes name those they work with."""

from typing import Any

HEADERS = "#/components/headers/"

TEXT: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}

ABOUT_PREFER = (
    "`wait=N`: answer when the video has ended, after N seconds (60 at most) in any case. `respond-async`, when asking "
    "for a video: with 202 unless it has ended."
)

ABOUT_KEY = "A name of your choice for this request. Sent again with the same body within 24 hours: the same video."

# What a caller may send: description, schema, an example.
REQUEST_HEADERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "Cancel-After": ("A `deadline` as a time from now: seconds, or such as `10m` or `1h30m`.", TEXT, "10m"),
    "Idempotency-Key": (ABOUT_KEY, {"type": "string", "minLength": 1, "maxLength": 255}, "order-17"),
    "If-None-Match": ("The `ETag` of the answer you have: 304 without a body if it is still good.", TEXT, 'W/"8f0c1d"'),
    "If-Range": ("Only if the file still has this `ETag` the `Range` is looked at.", TEXT, '"9b1d5a0c"'),
    "Last-Event-ID": ("The id of the last event you have; what came after it is sent.", TEXT, "1795353732123000"),
    "Prefer": (ABOUT_PREFER, TEXT, "wait=30"),
    "Range": ("One range of bytes, as `bytes=0-1023`; several are answered with everything.", TEXT, "bytes=0-1023"),
}

# What an answer may carry: description, schema.
RESPONSE_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "x-request-id": ("The id of this request, in the operator's log too; yours if you sent a harmless one.", TEXT),
    "Location": ("Where to go on: the record of the video, or the link to the file.", TEXT),
    "Link": ("`rel=next` leads to the page behind this one, if there is one.", TEXT),
    "ETag": ("Changes with the content; send it back as `If-None-Match`.", TEXT),
    "Cache-Control": ("Answers are for their caller alone and are to be asked for again.", TEXT),
    "openai-poll-after-ms": ("How many milliseconds to wait before asking again; OpenAI's clients obey it.", COUNT),
    "Preference-Applied": ("Which part of `Prefer` was followed.", TEXT),
    "Idempotency-Replayed": ("The same was asked before; this is its video.", {"const": "true"}),
    "RateLimit-Policy": ('Your limits: `"requests";q=60;w=60` is 60 in 60 s. Only where there are some.', TEXT),
    "RateLimit": ('What is left of each: `"requests";r=59;t=1`, and seconds until all of it is there again.', TEXT),
    "x-ratelimit-limit-requests": ("Requests for videos that you may send a minute, by OpenAI's name.", COUNT),
    "x-ratelimit-remaining-requests": ("How many of them you may send at once, by OpenAI's name.", COUNT),
    "x-ratelimit-reset-requests": ("When all of them are there again, as `12s`, by OpenAI's name.", TEXT),
    "Retry-After": ("Seconds until it makes sense to ask again, 60 at most.", COUNT),
    "x-should-retry": ("`false`: a repetition will fail the same way. OpenAI's clients obey it.", {"const": "false"}),
    "WWW-Authenticate": ("How to send a key.", {"const": "Bearer"}),
    "Accept": ("The content types that work.", TEXT),
    "Accept-Ranges": ("`bytes`: a `Range` may be asked for.", {"const": "bytes"}),
    "Content-Range": ("Which bytes of how many, as `bytes 0-1023/4096`, or `bytes */4096` of a refusal.", TEXT),
    "Content-Length": ("Bytes of the body.", COUNT),
    "Content-Disposition": ("A name for the file.", TEXT),
}


def response_headers(*names: str) -> dict[str, Any]:
    """The `headers` of a documented answer."""
    return {name: {"$ref": HEADERS + name} for name in names}


def request_headers(*names: str) -> dict[str, Any]:
    """The `openapi_extra` of a route that looks at these headers of a request."""
    return {"parameters": [_parameter(name, *REQUEST_HEADERS[name]) for name in names]}


def header_components() -> dict[str, Any]:
    """The headers of answers, as components of the OpenAPI document."""
    return {name: {"description": about, "schema": schema} for name, (about, schema) in RESPONSE_HEADERS.items()}


def _parameter(name: str, about: str, schema: dict[str, Any], example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": about, "schema": schema, "example": example}
