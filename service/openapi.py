"""What the OpenAPI document says about errors: every code an endpoint can answer with, and the body they share."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.problems import STATUS, ProblemBody

SCHEMAS = "#/components/schemas/"
BODY = {"application/problem+json": {"schema": {"$ref": f"{SCHEMAS}ProblemBody"}}}


def errors(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that can answer with these codes."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code], []).append(f"`{code}`")
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": ", ".join(names), "content": BODY} for status, names in by_status.items()
    }
    return found | {"default": {"description": "Any other error", "content": BODY}}


def document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The maker of `app`'s OpenAPI document, made once, with the schema of the shared error body in it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schema = ProblemBody.model_json_schema(ref_template=SCHEMAS + "{model}")
            inner = schema.pop("$defs")
            made["components"]["schemas"] |= {"ProblemBody": schema, **inner}
            app.openapi_schema = made
        return app.openapi_schema

    return openapi
