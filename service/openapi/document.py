"""The OpenAPI document: FastAPI's, completed with errors, headers, examples and webhooks."""

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service.http.errors import ProblemBody
from service.openapi.examples import error_examples, video_examples
from service.openapi.headers import header_components, response_headers
from service.openapi.responses import SCHEMAS

FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")

SERVERS = [{"url": ".", "description": "Where this document is: relative, so that it holds behind a proxy too."}]
TAGS = [
    {"name": "videos", "description": "Create, follow and download videos."},
    {"name": "files", "description": "Upload images and videos, to use them in requests by their id."},
    {"name": "webhooks", "description": "Webhook endpoints, their events, and the ledger of deliveries."},
    {"name": "usage", "description": "What your videos took, by day or by model."},
    {"name": "models", "description": "The available models."},
    {"name": "operations", "description": "For operators of the service."},
]


def route_name(route: APIRoute) -> str:
    """The operation id of a route, for generated clients: the name of its function."""
    return route.name


def document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """A function that returns the OpenAPI document of `app`, built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    license_info=app.license_info,
                    tags=TAGS,
                    servers=SERVERS,
                    routes=app.routes,
                    webhooks=app.webhooks.routes,
                )
            )
        return app.openapi_schema

    return openapi


def _complete(openapi: dict[str, Any]) -> dict[str, Any]:
    components = openapi["components"]
    for name in FRAMEWORK_SCHEMAS:
        components["schemas"].pop(name, None)
    schema = ProblemBody.model_json_schema(ref_template=SCHEMAS + "{model}")
    components["schemas"] |= schema.pop("$defs") | {"ProblemBody": schema}
    components["examples"] = {**error_examples(), **video_examples()}
    components["headers"] = header_components()
    for operation in _operations(openapi["webhooks"]):
        _drop_framework_error(operation["responses"])
    for operation in _operations(openapi["paths"]):
        _drop_framework_error(operation["responses"])
        for response in operation["responses"].values():
            response["headers"] = response_headers("x-request-id") | response.get("headers", {})
    return openapi


def _operations(paths: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in paths.values():
        yield from (path[method] for method in METHODS if method in path)


def _drop_framework_error(responses: dict[str, Any]) -> None:
    """Drops FastAPI's 422: a wrong parameter is answered with 400 and a problem body."""
    content = responses.get("422", {}).get("content", {})
    if content.get("application/json", {}).get("schema") == {"$ref": SCHEMAS + FRAMEWORK_SCHEMAS[0]}:
        del responses["422"]
