"""Pages of listed origins may use the API with a key; browsers refuse all others, also the reading of errors."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from service.app import create_app
from service.openapi.headers import RESPONSE_HEADERS
from service.settings import ServiceSettings

PAGE = "https://app.example.com"
SENT_BY_OPENAI = "authorization,content-type,idempotency-key,x-stainless-os,x-stainless-retry-count"
Send = Callable[..., httpx.Response]


def app_with(folder: Path, **values: object) -> FastAPI:
    """A front end with an API key, whose route `/failure` fails."""
    app = create_app(ServiceSettings.model_validate({"data_dir": folder, "api_keys": "a-key", **values}))

    @app.get("/failure")
    async def failure() -> None:
        raise RuntimeError("a fault of the service")

    return app


def response(app: FastAPI, method: str, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(
                method, path, headers={name.replace("_", "-"): headers[name] for name in headers}
            )

    with capture_logs():
        return asyncio.run(send())


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return app_with(tmp_path_factory.mktemp("data"), cors_origins=f"{PAGE},http://localhost:5173")


def preflight(app: FastAPI, origin: str, method: str = "POST", headers: str = SENT_BY_OPENAI) -> httpx.Response:
    wanted = {"Access_Control_Request_Method": method, "Access_Control_Request_Headers": headers}
    wanted["Access_Control_Request_Private_Network"] = "true"  # of a public page to a service in a private network
    return response(app, "OPTIONS", "/v1/videos", Origin=origin, **wanted)


def names(answer: httpx.Response, header: str) -> set[str]:
    return {name.strip().lower() for name in answer.headers.get(header, "").split(",")} - {""}


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:5173"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_a_preflight_of_a_listed_origin_needs_no_key_and_permits_each_header(
    app: FastAPI, origin: str, method: str
) -> None:
    answer = preflight(app, origin, method)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == origin
    assert names(answer, "access-control-allow-headers") == set(SENT_BY_OPENAI.split(","))
    assert method.lower() in names(answer, "access-control-allow-methods")
    assert "origin" in names(answer, "vary")
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.other.example",
        "https://app.example.com/",
        "null",
        "*",
    ],
)
def test_other_origins_are_refused_and_cannot_read_a_response(app: FastAPI, origin: str) -> None:
    refused, answer = preflight(app, origin), response(app, "GET", "/v1/videos", Origin=origin)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert refused.headers["content-type"] == "application/problem+json"
    for each in (refused, answer):
        assert "access-control-allow-origin" not in each.headers
        assert "origin" in names(each, "vary")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/videos", 401),
        ("GET", "/v1/unknown", 404),
        ("PATCH", "/v1/videos", 405),
        ("GET", "/files/a?signature=b", 403),
        ("GET", "/failure", 500),
        ("GET", "/studio/icon.svg", 200),
    ],
)
def test_a_page_can_read_each_response_and_its_documented_headers(
    app: FastAPI, method: str, path: str, status: int
) -> None:
    answer = response(app, method, path, Origin=PAGE)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, PAGE)
    assert names(answer, "access-control-expose-headers") == {name.lower() for name in RESPONSE_HEADERS}
    assert answer.headers["x-request-id"]
    assert "origin" in names(answer, "vary")


def test_a_response_without_an_origin_is_stored_apart_from_one_with_it(app: FastAPI) -> None:
    answer = response(app, "GET", "/studio/icon.svg")
    assert "origin" in names(answer, "vary")
    assert "access-control-allow-origin" not in answer.headers


def test_the_wildcard_permits_each_origin_without_credentials(tmp_path: Path) -> None:
    app = app_with(tmp_path, cors_origins="*")
    for answer in (preflight(app, "https://a.example"), response(app, "GET", "/v1/videos", Origin="https://a.example")):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_without_the_setting_no_page_of_another_origin_may_use_the_api(tmp_path: Path) -> None:
    app = app_with(tmp_path)
    for answer in (preflight(app, PAGE), response(app, "GET", "/v1/videos", Origin=PAGE)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


Values = dict[str, Any]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cors_origins": "https://a.example/"}, "such as https://a.example"),
        ({"cors_origins": "https://a.example:443"}, "such as https://a.example"),
        ({"cors_origins": "http://a.example:80/x?y"}, "such as http://a.example"),
        ({"cors_origins": "HTTPS://A.example"}, "such as https://a.example"),
        ({"cors_origins": "a.example"}, "such as https://app.example.com"),
        ({"cors_origins": "null"}, "such as https://app.example.com"),
        ({"cors_origins": "https://müller.example"}, "such as https://app.example.com"),
        ({"cors_origins": "*", "api_keys": ""}, "each web page could use this service"),
        ({"root_path": "video"}, "must be a path such as /video"),
        ({"root_path": "/video/"}, "must be a path such as /video"),
        ({"root_path": "/"}, "must be a path such as /video"),
        ({"root_path": "/a/../b"}, "must be a path such as /video"),
        ({"root_path": "/v1"}, "a path of the service itself"),
        ({"root_path": "/docs/video"}, "a path of the service itself"),
        ({"forwarded_allow_ips": "10.0.0.1/8"}, "has host bits set"),
        ({"forwarded_allow_ips": "proxy"}, "IPv4 or IPv6"),
        ({"public_url": "example.com"}, "such as https://example.com/video"),
        ({"public_url": "https://user@example.com"}, "such as https://example.com/video"),
        ({"public_url": "https://example.com/?a=b"}, "such as https://example.com/video"),
    ],
)
def test_a_setting_that_no_browser_or_proxy_can_match_is_refused(values: Values, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ServiceSettings.model_validate({"api_keys": "a-key", **values})


@pytest.mark.parametrize(
    "origins", ["app://obsidian.md", "chrome-extension://abcdef", "http://[::1]:3000", "capacitor://localhost"]
)
def test_origins_of_programs_with_an_embedded_browser_can_be_listed(origins: str) -> None:
    assert ServiceSettings.model_validate({"api_keys": "a-key", "cors_origins": origins}).cors_origins == (origins,)
