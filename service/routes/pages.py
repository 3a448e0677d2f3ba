"""The studio at `/`, a static web page that uses the API, and the API reference at `/docs`."""

import hashlib
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


@router.get("/")
def read_studio(request: Request, resources: ResourcesDep) -> Response:
    """Serves the studio page. It is public; its requests to the API need a key."""
    return _answer(request, PAGE, {"Content-Security-Policy": _policy(resources), "Referrer-Policy": "no-referrer"})


@router.get("/studio/{name}")
def read_asset(name: str, request: Request) -> Response:
    """Serves an asset of the page."""
    if name not in TYPES or name == PAGE:
        raise ApiError("not_found", "the studio has no such file")
    return _answer(request, name, {})


def _answer(request: Request, name: str, headers: dict[str, str]) -> Response:
    """The file, or 304. Browsers revalidate each time, so that the files of a page have one version."""
    data, etag = _read(name)
    headers = {**headers, "ETag": etag, "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(data, 200, headers, TYPES[name])


@cache
def _read(name: str) -> tuple[bytes, str]:
    """The content of a file and its ETag."""
    data = (files("service") / "studio" / name).read_bytes()
    return data, f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _policy(resources: Resources) -> str:
    """No content from other origins and no inline script or style; media may come from the storage's origin."""
    link = urlsplit(resources.storage.url("studio", 1, "studio"))
    media = f"'self' blob: {link.scheme}://{link.netloc}"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src {media}; "
        f"media-src {media}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")


@router.get("/docs")
def read_reference() -> HTMLResponse:
    """Serves the API reference (Swagger UI)."""
    script, style, icon = (f"docs/{name}" for name in ASSETS)  # relative: a proxy may add a path
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="EasyAnimate Service",
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
        swagger_ui_parameters={"displayRequestDuration": True, "defaultModelsExpandDepth": 0},
    )


@router.get("/docs/{name}")
def read_reference_asset(name: str) -> FileResponse:
    """Serves an asset of the page."""
    if name not in ASSETS:
        raise ApiError("not_found", "the reference page has no such file")
    path = str(files("fastapi_offline") / "static" / name)
    return FileResponse(path, headers={"Cache-Control": "public, max-age=86400"})
