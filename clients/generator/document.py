"""Parts of the OpenAPI document, prepared for the generators of types."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SNAPSHOT = ROOT / "tests" / "integration" / "service" / "openapi" / "openapi.json"
PROBLEM = "application/problem+json"

Document = dict[str, Any]
Schema = dict[str, Any]


def read_document() -> Document:
    """The snapshot of the OpenAPI document of the service."""
    document: Document = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    return document


def response_document(document: Document) -> Document:
    """The schemas of responses. A response has each field, also one with a default."""
    schemas = {name: _complete(schema) for name, schema in document["components"]["schemas"].items()}
    return _schemas_only(document, schemas)


def request_document(document: Document) -> Document:
    """The schemas of request bodies, each with the name of its operation; fields with a file are left out."""
    schemas = {}
    for operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            files = file_fields(operation)
            schema = content["application/json"]["schema"]
            fields = {name: field for name, field in schema["properties"].items() if name not in files}
            required = [name for name in schema["required"] if name not in files]
            schemas[body_name(operation)] = _open({**schema, "properties": fields, "required": required})
    return _schemas_only(document, schemas)


def operations(document: Document) -> Iterator[Schema]:
    """The operations of the document, in the order of their ids."""
    listed = [operation for path in document["paths"].values() for operation in path.values()]
    yield from sorted(listed, key=lambda operation: str(operation["operationId"]))


def file_fields(operation: Schema) -> set[str]:
    """The names of the fields that may be file parts of a form."""
    form = operation["requestBody"]["content"].get("multipart/form-data", {"schema": {"properties": {}}})
    return {name for name, field in form["schema"]["properties"].items() if field.get("format") == "binary"}


def body_name(operation: Schema) -> str:
    """The name of the type of a body: `create_video` -> `CreateVideoFields`."""
    return "".join(word.capitalize() for word in operation["operationId"].split("_")) + "Fields"


def error_codes(document: Document) -> dict[str, int]:
    """The status of each error code, in the order of status and code."""
    examples = document["components"]["examples"]
    statuses = {code: example["value"]["status"] for code, example in examples.items() if "error" in example["value"]}
    codes = {code: status for code, status in statuses.items() if isinstance(status, int)}
    return dict(sorted(codes.items(), key=lambda item: (item[1], item[0])))


def _schemas_only(document: Document, schemas: Schema) -> Document:
    return {"openapi": document["openapi"], "info": document["info"], "paths": {}, "components": {"schemas": schemas}}


def _open(schema: Any) -> Any:
    """The schema without `additionalProperties: false`, which needs a newer Python than the client does."""
    if isinstance(schema, list):
        return [_open(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _open(value) for name, value in schema.items() if (name, value) != ("additionalProperties", False)}


def _complete(schema: Schema) -> Schema:
    """The schema with each property required, and without defaults."""
    if "properties" not in schema:
        return schema
    fields = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": fields, "required": list(fields)}
