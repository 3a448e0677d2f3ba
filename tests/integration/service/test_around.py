"""What surrounds the videos: models, health, documents, request ids, and errors of the framework in our form."""

from collections.abc import Callable

import httpx
import pytest

from jobs.model_card import ModelCard
from jobs.registry import Registry
from service.problems import STATUS

Code = Callable[[httpx.Response], str]


def test_models_come_with_their_limits_and_live_workers(api: httpx.Client, redis, announced: ModelCard) -> None:
    Registry(redis).announce(announced, "worker-2")
    models = api.get("/v1/models").json()
    assert models["object"] == "list"
    assert [(model["id"], model["object"], model["live_workers"]) for model in models["data"]] == [
        (announced.name, "model", 2)
    ]
    assert models["data"][0]["card"]["max_frames"] == 48
    assert api.get(f"/v1/models/{announced.name}").json() == models["data"][0]


def test_an_unknown_model_is_a_404(api: httpx.Client, code_of: Code) -> None:
    answer = api.get("/v1/models/nope")
    assert (answer.status_code, code_of(answer)) == (404, "model_not_found")


def test_a_front_end_with_everything_is_ready(api: httpx.Client, announced: ModelCard) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "missing": [], "workers": {announced.name: 1}},
    )


def test_readiness_names_the_missing_model(settings, start_api) -> None:
    answer = httpx.get(start_api(settings) + "/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["model"])


def test_readiness_names_the_missing_storage(api: httpx.Client, tmp_path) -> None:
    (tmp_path / "objects").rmdir()
    (tmp_path / "objects").write_text("in the way")
    answer = api.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["storage"])


@pytest.fixture(autouse=True)
def _objects(tmp_path) -> None:
    (tmp_path / "objects").mkdir()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("GET", "/v1/nope", 404, "not_found"),
        ("POST", "/", 405, "method_not_allowed"),
        ("PUT", "/v1/videos", 405, "method_not_allowed"),
        ("PATCH", "/v1/videos/x", 405, "method_not_allowed"),
    ],
)
def test_errors_of_the_framework_have_our_form(
    api: httpx.Client, code_of: Code, method: str, path: str, status: int, code: str
) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, code_of(answer)) == (status, code)


def test_a_sane_request_id_of_the_caller_is_kept(api: httpx.Client) -> None:
    for path in ("/healthz", "/nope", "/v1/videos"):
        assert api.get(path, headers={"x-request-id": "job-7.a_b"}).headers["x-request-id"] == "job-7.a_b"


@pytest.mark.parametrize("given", ["a b", "x" * 200, "a;b", 'a"b', "é"])
def test_another_request_id_is_replaced(api: httpx.Client, given: str) -> None:
    answer = api.get("/healthz", headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"].startswith("req_")


def test_the_root_leads_to_the_documents(api: httpx.Client) -> None:
    answer = api.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
    assert api.get("/docs").status_code == 200


def test_the_openapi_document_lists_the_errors_of_every_endpoint(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    assert "ProblemBody" in document["components"]["schemas"]
    create = document["paths"]["/v1/videos"]["post"]
    assert {"200", "400", "401", "413", "415", "429", "503", "default"} <= set(create["responses"])
    assert "422" not in create["responses"]
    assert set(create["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert path in ("/healthz", "/readyz") or "default" in operation["responses"]


def test_every_reference_of_the_openapi_document_leads_somewhere(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()

    def references(node: object) -> list[str]:
        if isinstance(node, list):
            return [found for item in node for found in references(item)]
        if not isinstance(node, dict):
            return []
        return [node["$ref"]] if "$ref" in node else [found for item in node.values() for found in references(item)]

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_something_unforeseen_is_a_500_without_its_trace(
    settings, start_api, announced, code_of: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(Registry, "cards", broken)
    answer = httpx.get(start_api(settings) + "/v1/models", headers={"x-request-id": "abc"})
    assert (answer.status_code, code_of(answer), answer.headers["x-request-id"]) == (500, "internal_error", "abc")
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text


def test_every_code_has_a_status_of_an_error() -> None:
    assert all(400 <= status < 600 for status in STATUS.values())
