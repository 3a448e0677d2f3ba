"""The OpenAPI document: what FastAPI knows of the routes, and all it does not: errors, headers, examples, webhooks."""

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service.http.errors import ProblemBody
from service.openapi.examples import error_examples, video_examples
from service.openapi.headers import header_components, response_headers
from service.openapi.responses import SCHEMAS

OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")

TAGS = [
    {"name": "videos", "description": "Ask for videos, follow them, fetch them."},
    {"name": "files", "description": "Send pictures and videos ahead, to be named in requests."},
    {"name": "webhooks", "description": "Be told: standing endpoints, what is sent to them, and the ledger of it."},
    {"name": "models", "description": "What can be asked for here."},
    {"name": "operations", "description": "For whoever runs the service."},
]


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
            answer["headers"] = response_headers("x-request-id") | answer.get("headers", {})
    return made


def _operations(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in paths.values():
        yield from (path[method] for method in METHODS if method in path)


def _forget_the_framework(responses: dict[str, Any]) -> None:
    """What FastAPI would answer to a wrong parameter is answered with a problem, 400, here."""
    content = responses.get("422", {}).get("content", {})
    if content.get("application/json", {}).get("schema") == {"$ref": SCHEMAS + OF_THE_FRAMEWORK[0]}:
        del responses["422"]
