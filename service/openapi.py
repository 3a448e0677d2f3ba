"""The OpenAPI document: what FastAPI knows of the routes, and all it does not: errors, headers, examples, webhooks."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service.examples import error_examples, video_examples
from service.headers import header_components, told
from service.problems import LIMIT_HEADERS, STATUS, ProblemBody, headers_of
from service.views import Video

SCHEMAS = "#/components/schemas/"
EXAMPLES = "#/components/examples/"
PROBLEM = "application/problem+json"
STATES = tuple(video_examples())
MEDIA_TYPES = ("video/mp4", "image/png", "image/webp", "image/jpeg")
BYTES = {"type": "string", "format": "binary"}
OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")

TAGS = [
    {"name": "videos", "description": "Ask for videos, follow them, fetch them."},
    {"name": "files", "description": "Send pictures and videos ahead, to be named in requests."},
    {"name": "webhooks", "description": "Be told: standing endpoints, what is sent to them, and the ledger of it."},
    {"name": "models", "description": "What can be asked for here."},
    {"name": "operations", "description": "For whoever runs the service."},
]


def errors(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that can answer with these codes; nothing foresees the 500, so all have it."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*codes, "internal_error")):
        by_status.setdefault(STATUS[code], []).append(code)
    return {status: _refusal(found) for status, found in sorted(by_status.items())}


def of_video(about: str, *headers: str, states: Iterable[str] = STATES) -> dict[str, Any]:
    """What an answer with the record of a video looks like, in each of these states."""
    content = {"examples": {name: {"$ref": EXAMPLES + name} for name in states}}
    return {"model": Video, "description": about, "headers": told(*headers), "content": {"application/json": content}}


def accepted() -> dict[int | str, dict[str, Any]]:
    """The answers to a request for a video: the same record with either status."""
    headers = ("Location", "ETag", "openai-poll-after-ms", "Idempotency-Replayed", *LIMIT_HEADERS)
    return {
        200: of_video("The record of the accepted video", *headers, states=["queued"]),
        202: of_video("The same, with `Prefer: respond-async`", *headers, "Preference-Applied", states=["queued"]),
    }


def of_file() -> dict[int | str, dict[str, Any]]:
    """The answers with a file: whole, a part of it, nothing new, or where to find it."""
    headers = ("ETag", "Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Length")
    content: dict[str, Any] = {media_type: {"schema": BYTES} for media_type in MEDIA_TYPES}
    content["application/json"] = {"schema": {"type": "object", "description": "The manifest: how it was made."}}
    return {
        200: {"description": "The whole file", "headers": told(*headers), "content": content},
        206: {"description": "The range", "headers": told(*headers, "Content-Range"), "content": content},
        302: {"description": "A link that needs no key", "headers": told("Location", "Cache-Control")},
        304: not_modified(),
    }


def of_upload() -> dict[int | str, dict[str, Any]]:
    """The answers with the content of a file that was sent ahead."""
    types = ("image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4")
    found = {status: answer for status, answer in of_file().items() if status != 302}
    for status in (200, 206):
        found[status] = {**found[status], "content": {media_type: {"schema": BYTES} for media_type in types}}
    return found


def not_modified() -> dict[str, Any]:
    """The answer to an `If-None-Match` that still matches."""
    return {"description": "What you have is still good", "headers": told("ETag", "Cache-Control")}


def route_name(route: APIRoute) -> str:
    """What generated clients call a route: the name of its function."""
    return route.name


def document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The maker of `app`'s OpenAPI document, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    license_info=app.license_info,
                    tags=TAGS,
                    routes=app.routes,
                    webhooks=app.webhooks.routes,
                )
            )
        return app.openapi_schema

    return openapi


def _complete(made: dict[str, Any]) -> dict[str, Any]:
    components = made["components"]
    for name in OF_THE_FRAMEWORK:
        components["schemas"].pop(name, None)
    schema = ProblemBody.model_json_schema(ref_template=SCHEMAS + "{model}")
    components["schemas"] |= schema.pop("$defs") | {"ProblemBody": schema}
    components["examples"] = {**error_examples(), **video_examples()}
    components["headers"] = header_components()
    for operation in _operations(made["webhooks"]):
        _forget_the_framework(operation["responses"])
    for operation in _operations(made["paths"]):
        _forget_the_framework(operation["responses"])
        for answer in operation["responses"].values():
            answer["headers"] = told("x-request-id") | answer.get("headers", {})
    return made


def _operations(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in paths.values():
        yield from (path[method] for method in METHODS if method in path)


def _forget_the_framework(responses: dict[str, Any]) -> None:
    """What FastAPI would answer to a wrong parameter is answered with a problem, 400, here."""
    content = responses.get("422", {}).get("content", {})
    if content.get("application/json", {}).get("schema") == {"$ref": SCHEMAS + OF_THE_FRAMEWORK[0]}:
        del responses["422"]


def _refusal(codes: list[str]) -> dict[str, Any]:
    headers = dict.fromkeys(name for code in codes for name in headers_of(code))
    examples = {code: {"$ref": EXAMPLES + code} for code in codes}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": told(*headers),
        "content": {PROBLEM: {"schema": {"$ref": SCHEMAS + "ProblemBody"}, "examples": examples}},
    }
