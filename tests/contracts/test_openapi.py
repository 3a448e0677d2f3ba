"""The OpenAPI document is valid, complete and true to itself; what only real requests can show is tested with those."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from jobs.model.request import WEBHOOK_EVENTS
from service.app import create_app
from service.http.error_codes import ERROR_CODES
from service.settings import ServiceSettings

METHODS = {"get", "put", "post", "delete", "patch", "head"}
CLOSED = {"key"}  # the one way to show who calls


@cache
def document() -> dict[str, Any]:
    return create_app(ServiceSettings()).openapi()


def operations() -> dict[str, dict[str, Any]]:
    """All of them, by method and path, and by the name of a webhook."""
    result = {f"{m.upper()} {path}": op for path, ops in document()["paths"].items() for m, op in ops.items()}
    return result | {name: ops["post"] for name, ops in document()["webhooks"].items()}


OF_PATHS = sorted(name for name in operations() if " " in name)


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to."""
    while "$ref" in node:
        result: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            result = result[step]
        node = result
    return node


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every media type of its request and its answers."""
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).values()


def test_it_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


@pytest.mark.parametrize("name", sorted(operations()))
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
    assert "default" not in operation["responses"]  # else no answer could be an undocumented one
    assert all("x-request-id" in answer["headers"] for answer in operation["responses"].values())


@pytest.mark.parametrize("name", [name for name in OF_PATHS if name.split()[1].startswith("/v1/")])
def test_every_operation_of_the_api_wants_a_key_and_refuses_a_wrong_one(name: str) -> None:
    operation = operations()[name]
    assert [set(way) for way in operation["security"]] == [CLOSED]
    assert {"401", "503"} <= set(operation["responses"])


@pytest.mark.parametrize("name", [name for name in OF_PATHS if name.startswith("POST")])
def test_every_body_that_is_taken_has_examples_in_json(name: str) -> None:
    for media_type, body in operations()[name].get("requestBody", {"content": {}})["content"].items():
        assert media_type != "application/json" or body["examples"]


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_every_error_that_an_operation_names_has_its_headers_there(code: str) -> None:
    for operation in operations().values():
        answer = operation["responses"].get(str(ERROR_CODES[code].status), {})
        if code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {}):
            assert {*ERROR_CODES[code].headers} <= set(answer["headers"])


def test_every_component_is_used() -> None:
    used = set(references(document()))
    for kind in ("headers", "schemas"):
        components = {f"#/components/{kind}/{name}" for name in document()["components"][kind]}
        assert components - used == set()


def references(node: object) -> Iterator[str]:
    for item in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        yield from references(item)
    if isinstance(node, dict) and isinstance(node.get("$ref"), str):
        yield node["$ref"]


def test_every_webhook_is_described_with_an_example_of_its_type() -> None:
    result = document()["webhooks"]
    assert tuple(result) == WEBHOOK_EVENTS
    for event_type, described in result.items():
        body = described["post"]["requestBody"]["content"]["application/json"]
        assert body["example"]["type"] == event_type


def test_names_for_generated_clients_are_short_and_each_is_there_once() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names))
    assert all(name.replace("_", "").isalpha() and len(name) < 40 for name in names)
