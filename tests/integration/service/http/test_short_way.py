"""The short way to the lean routes changes what an answer costs, and nothing else."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from jobs.store.callers.reader import JobReader
from service.app import create_app
from service.settings import ServiceSettings
from tests.integration.service.conftest import running_apis

OWN_TO_EACH = {"date", "x-request-id", "content-length"}

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/v1/videos/{known}", {}),
    ("GET", "/v1/videos/{known}", {"headers": {"If-None-Match": "*"}}),
    ("GET", "/v1/videos/{known}?prompt=no", {}),
    ("GET", "/v1/videos/{known}/", {}),
    ("GET", "/v1/videos/{known}%2Fattempts", {}),
    ("GET", "/v1/videos/{known}%0A", {}),
    ("GET", "/v1/videos/video_unknown", {}),
    ("GET", "/v1/videos/{known}:events", {}),
    ("HEAD", "/v1/videos/{known}", {}),
    ("PUT", "/v1/videos/{known}", {}),
    ("POST", "/v1/videos", {"json": {"prompt": " "}}),
    ("POST", "/v1/videos", {"content": b"prompt", "headers": {"Content-Type": "text/plain"}}),
    ("POST", "/v1/videos/", {"json": {"prompt": "a red fox"}}),
    ("POST", "/v1/videos/edits", {"json": {"prompt": "a red fox"}}),
    ("POST", "/v1/videos/video_unknown/remix", {"json": {"prompt": "a red fox"}}),
    ("DELETE", "/v1/videos/edits", {}),
]


def test_the_short_way_answers_as_the_usual_way_does(settings: ServiceSettings, announced: Any) -> None:
    apps: list[Any] = []
    with running_apis() as start:
        short, usual = start(settings, apps), start(settings, apps)
        apps[1].ways.clear()
        known = httpx.post(f"{short}/v1/videos", json={"prompt": "a red fox"}).json()["id"]
        for method, path, sent in REQUESTS:
            answers = [httpx.request(method, url + path.format(known=known), **sent) for url in (short, usual)]
            one, other = (
                (answer.status_code, answer.text, _headers(answer, url))
                for answer, url in zip(answers, (short, usual), strict=True)
            )
            assert one == other, (method, path)


def test_what_nobody_foresaw_is_a_500_with_its_request_id(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobReader, "see", None)
    answer = api.get("/v1/videos/video_1", headers={"x-request-id": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mine")
    assert answer.json()["error"]["code"] == "internal_error"


def test_only_lean_routes_may_go_the_short_way(settings: ServiceSettings) -> None:
    router = APIRouter()
    router.get("/slow")(lambda: None)
    app = create_app(settings)
    with pytest.raises(TypeError, match="not lean"):
        app.open_short_way([router], app.state.parts.metrics)


def _headers(answer: httpx.Response, url: str) -> dict[str, str]:
    return {name: value.replace(url, "") for name, value in answer.headers.items() if name not in OWN_TO_EACH}
