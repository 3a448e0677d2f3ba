"""The OpenAPI document is valid, complete and consistent. Other tests compare it with real responses."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from jobs.model.request import WEBHOOK_EVENTS
from service.http.error_codes import ERROR_CODES
from tests.integration.service.openapi.snapshot import document, operation_names, webhook_names

METHODS = {"get", "put", "post", "delete", "patch", "head"}
SECURITY = {"key"}
TICKETED = {f"GET /v1/videos/{{video_id}}/{name}" for name in ("events", "playlist.m3u8")}  # a ticket replaces the key


def operations() -> dict[str, dict[str, Any]]:
    """All operations by method and path, and all webhooks by name."""
    result = {f"{m.upper()} {path}": op for path, ops in document()["paths"].items() for m, op in ops.items()}
    return result | {name: ops["post"] for name, ops in document()["webhooks"].items()}


OF_PATHS = operation_names()
NAMES = (*OF_PATHS, *webhook_names())


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The target of a reference."""
    while "$ref" in node:
        result: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            result = result[step]
        node = result
    return node


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each media type of the request and of the responses."""
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in operation["responses"].values():
        yield from response.get("content", {}).values()


def test_the_document_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


def test_the_parameters_of_these_tests_are_all_operations() -> None:
    assert sorted(NAMES) == sorted(operations())


@pytest.mark.parametrize("name", NAMES)
def test_each_example_matches_its_schema(name: str) -> None:
    registry: Registry[Any] = Registry().with_resource("urn:document", Resource(document(), DRAFT202012))
    for body in bodies(operations()[name]):
        schema = {"$ref": f"urn:document{body['schema']['$ref']}"} if "$ref" in body["schema"] else body["schema"]
        examples = [resolved(example)["value"] for example in body.get("examples", {}).values()]
        examples += [body["example"]] if "example" in body else []
        for example in examples:
            errors = Draft202012Validator(schema, registry=registry).iter_errors(example)
            assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("name", OF_PATHS)
def test_each_operation_has_a_description_and_all_its_responses(name: str) -> None:
    operation = operations()[name]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert "500" in operation["responses"]
    assert "default" not in operation["responses"]  # it would match every undocumented response
    assert all("x-request-id" in response["headers"] for response in operation["responses"].values())


@pytest.mark.parametrize("name", [name for name in OF_PATHS if name.split()[1].startswith("/v1/")])
def test_each_operation_of_the_api_requires_a_key_and_refuses_an_invalid_one(name: str) -> None:
    operation = operations()[name]
    assert [set(scheme) for scheme in operation["security"]] == [SECURITY, *([{"ticket"}] if name in TICKETED else [])]
    assert {"401", "503"} <= set(operation["responses"])


@pytest.mark.parametrize("name", [name for name in OF_PATHS if name.startswith("POST")])
def test_each_json_request_body_has_examples(name: str) -> None:
    for media_type, body in operations()[name].get("requestBody", {"content": {}})["content"].items():
        assert media_type != "application/json" or body["examples"]


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_each_error_response_has_the_headers_of_its_code(code: str) -> None:
    for operation in operations().values():
        response = operation["responses"].get(str(ERROR_CODES[code].status), {})
        if code in response.get("content", {}).get("application/problem+json", {}).get("examples", {}):
            assert {*ERROR_CODES[code].headers} <= set(response["headers"])


def test_each_component_is_used() -> None:
    used = set(references(document()))
    for kind in ("headers", "schemas"):
        components = {f"#/components/{kind}/{name}" for name in document()["components"][kind]}
        assert components - used == set()


def references(node: object) -> Iterator[str]:
    for item in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        yield from references(item)
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"]


def test_each_webhook_has_an_example_of_its_type() -> None:
    webhooks = document()["webhooks"]
    assert tuple(webhooks) == WEBHOOK_EVENTS
    for event_type, webhook in webhooks.items():
        body = webhook["post"]["requestBody"]["content"]["application/json"]
        assert body["example"]["type"] == event_type


def test_operation_ids_are_short_and_unique() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names))
    assert all(name.replace("_", "").isalpha() and len(name) < 40 for name in names)
