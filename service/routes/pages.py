"""The studio at `/`, a page to make videos with: three files and an icon that hold nothing and ask the API for all."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse, Response

from service.dependencies import ResourcesDep
from service.http.errors import ApiError
from service.http.ranges import matches
from service.resources import Resources

router = APIRouter(include_in_schema=False)

PAGE = "index.html"
TYPES = {PAGE: "text/html", "studio.css": "text/css", "studio.js": "text/javascript", "icon.svg": "image/svg+xml"}


@dataclass(frozen=True)
class _File:
    """A file of the page, and the tag that changes with it."""

    data: bytes
    etag: str


@router.head("/")
@router.get("/")
def read_studio(request: Request, resources: ResourcesDep) -> Response:
    """The page. Anybody may have it; what it asks for needs a key as everything does."""
    return _answer(request, PAGE, {"Content-Security-Policy": _policy(resources), "Referrer-Policy": "no-referrer"})


@router.head("/studio/{name}")
@router.get("/studio/{name}")
def read_asset(name: str, request: Request) -> Response:
    """A file of the page."""
    if name not in TYPES or name == PAGE:
        raise ApiError("not_found", "the studio has no such file")
    return _answer(request, name, {})


def _answer(request: Request, name: str, headers: dict[str, str]) -> Response:
    """The file, or that nothing has changed. Browsers ask each time, so the files of a page are of one version."""
    file = _read(name)
    headers = {**headers, "ETag": file.etag, "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match"), file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.data, 200, headers, TYPES[name])


@cache
def _read(name: str) -> _File:
    data = (files("service") / "studio" / name).read_bytes()
    return _File(data, f'"{hashlib.sha256(data).hexdigest()[:32]}"')


def _policy(resources: Resources) -> str:
    """Nothing from elsewhere, and no script or style inside the page; only videos lie where their links lead."""
    link = urlsplit(resources.storage.url("studio", 1, "studio"))
    shown = f"'self' blob: {link.scheme}://{link.netloc}"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src {shown}; "
        f"media-src {shown}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")


@router.get("/docs")
def read_reference() -> HTMLResponse:
    """The page."""
    script, style, icon = (f"/docs/{name}" for name in ASSETS)
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="EasyAnimate Service",
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
        swagger_ui_parameters={"displayRequestDuration": True, "defaultModelsExpandDepth": 0},
    )


@router.get("/docs/{name}")
def read_reference_asset(name: str) -> FileResponse:
    """A file of the page."""
    if name not in ASSETS:
        raise ApiError("not_found", "the reference page has no such file")
    path = str(files("fastapi_offline") / "static" / name)
    return FileResponse(path, headers={"Cache-Control": "public, max-age=86400"})
