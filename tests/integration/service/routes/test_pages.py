"""The studio page is small and loads nothing from other origins."""

import re
from collections.abc import Callable
from importlib.resources import files

import httpx
import pytest

from service.settings import ServiceSettings

MAX_PAGE_BYTES = 30_000  # of all files together, so that the page stays readable
ASSETS = ("/studio/studio.css", "/studio/studio.js", "/studio/icon.svg")


@pytest.fixture
def page(shared_api: httpx.Client) -> httpx.Response:
    return shared_api.get("/").raise_for_status()


def test_the_page_runs_only_its_own_scripts(page: httpx.Response) -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
    assert {rules[name] for name in ("default-src", "base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert {rules[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)


def test_media_may_come_from_the_origin_of_the_storage(
    start_api: Callable[..., str], settings: ServiceSettings
) -> None:
    bucket = {
        "bucket": "videos",
        "endpoint_url": "https://s3.example:9000",
        "access_key_id": "a",
        "secret_access_key": "b",
    }
    on_s3 = ServiceSettings.model_validate({**settings.model_dump(), "storage": "s3", "s3": bucket})
    policy = httpx.get(start_api(on_s3)).headers["content-security-policy"]
    assert re.search(r"media-src 'self' blob: https://(videos\.)?s3\.example:9000;", policy)


@pytest.mark.parametrize("path", ["/", *ASSETS])
def test_a_matching_etag_gets_a_304(shared_api: httpx.Client, path: str) -> None:
    first = shared_api.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = shared_api.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert shared_api.get(path, headers={"If-None-Match": '"older"'}).status_code == 200


@pytest.mark.parametrize("path", ["/", *ASSETS])
def test_head_has_the_headers_without_the_body(shared_api: httpx.Client, path: str) -> None:
    head, whole = shared_api.head(path), shared_api.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert all(head.headers[name] == whole.headers[name] for name in ("etag", "content-type", "content-length"))


def test_all_links_of_the_page_are_served(shared_api: httpx.Client, page: httpx.Response) -> None:
    named = set(re.findall(r'(?:src|href)="([^"]+)"', page.text))
    assert named == {*(path.removeprefix("/") for path in ASSETS), "docs"}  # relative: a proxy may add a path
    for path in named:
        shared_api.get(path).raise_for_status()


def test_the_page_names_no_other_origin() -> None:
    for file in (files("service") / "studio").iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import", text), file.name


def test_no_text_is_inserted_as_html() -> None:
    script = (files("service") / "studio" / "studio.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", script)
    assert "localStorage" not in script


def test_the_page_is_small() -> None:
    assert sum(len(file.read_bytes()) for file in (files("service") / "studio").iterdir()) <= MAX_PAGE_BYTES


def test_other_files_are_not_served(shared_api: httpx.Client, code_of: Callable[[httpx.Response], str]) -> None:
    for name in ("index.html", "..%2Fapp.py", "%2Fetc%2Fpasswd", "nope.js"):
        answer = shared_api.get(f"/studio/{name}")
        assert (answer.status_code, code_of(answer)) == (404, "not_found")


def test_the_page_is_not_in_the_openapi_document(shared_api: httpx.Client) -> None:
    assert not [path for path in shared_api.get("/openapi.json").json()["paths"] if path == "/" or "studio" in path]


def test_the_page_needs_no_key(start_api: Callable[..., str], settings: ServiceSettings) -> None:
    closed = ServiceSettings.model_validate({**settings.model_dump(), "auth": "keys", "api_keys": "k"})
    with httpx.Client(base_url=start_api(closed)) as client:
        assert client.get("/v1/models").status_code == 401
        assert [client.get(path).status_code for path in ("/", *ASSETS)] == [200] * 4
