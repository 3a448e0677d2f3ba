"""Request bodies in the OpenAPI document, derived from their Pydantic models."""

from collections.abc import Mapping
from typing import Any

from service.schemas.request_model import RequestModel


def json_or_form_body(
    model: type[RequestModel], examples: Mapping[str, dict[str, Any]], files: frozenset[str]
) -> dict[str, Any]:
    """The `openapi_extra` of a route that accepts JSON and forms; the fields `files` may be file parts of a form."""
    schema = request_schema(model)
    parts = {name: {**field, "format": "binary"} for name, field in schema["properties"].items() if name in files}
    form = {**schema, "properties": {**schema["properties"], **parts}}
    content = {**_json_content(schema, examples), "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


def form_body(model: type[RequestModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that accepts forms only."""
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": request_schema(model)}}}}


def json_body(model: type[RequestModel], example: dict[str, Any]) -> dict[str, Any]:
    """The `openapi_extra` of a route that accepts JSON; the body may be left out if no field is required."""
    schema = request_schema(model)
    content = _json_content(schema, {"one": example})
    return {"requestBody": {"required": bool(schema["required"]), "content": content}}


def request_schema(model: type[RequestModel]) -> dict[str, Any]:
    """The JSON schema of a body, without references, titles and nulls: null counts as absent."""
    schema = model.model_json_schema()
    plain: dict[str, Any] = _plain(schema, schema.pop("$defs", {}))
    return {"required": [], **plain}


def _json_content(schema: dict[str, Any], examples: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "examples": {name: {"value": examples[name]} for name in examples}}}


def _plain(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_plain(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if name not in ("title", "anyOf", "$ref")}
    if "default" in kept and kept["default"] is None:
        del kept["default"]
    if "$ref" in schema:
        kept = {**definitions[schema["$ref"].rpartition("/")[2]], **kept}
        return _plain(kept, definitions)
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"}:
            kept = {**choice, **kept}
            return _plain(kept, definitions)
    properties = {name: _plain(field, definitions) for name, field in kept.pop("properties", {}).items()}
    plain = {name: _plain(value, definitions) for name, value in kept.items()}
    return {**plain, "properties": properties} if properties else plain
