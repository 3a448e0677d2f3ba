"""The studio at `/`, a static web page that uses the API, and the API reference at `/docs`."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
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
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".txt": "text/plain",
}
COMPRESSED = frozenset({".html", ".css", ".js", ".json", ".svg", ".txt"})


@router.get("/")
def read_studio(request: Request, resources: ResourcesDep) -> Response:
    """Serves the studio page. It is public; its requests to the API need a key."""
    return _response(request, PAGE, {"Content-Security-Policy": _policy(resources), "Referrer-Policy": "no-referrer"})


@router.get("/studio/{name:path}")
def read_asset(name: str, request: Request) -> Response:
    """Serves an asset of the page."""
    if name not in _assets() or name == PAGE:
        raise ApiError("not_found", "the studio has no such file")
    return _response(request, name, {})


@dataclass(frozen=True)
class _Asset:
    """A file of the page: plain, compressed if that is smaller, its media type and its ETag."""

    data: bytes
    compressed: bytes | None
    media_type: str
    etag: str


def _response(request: Request, name: str, headers: dict[str, str]) -> Response:
    """The file, or 304. Browsers revalidate each time, so that the files of a page have one version."""
    asset = _assets()[name]
    is_compressed = asset.compressed is not None and "gzip" in request.headers.get("accept-encoding", "")
    etag = f'"{asset.etag}-gzip"' if is_compressed else f'"{asset.etag}"'
    headers = {**headers, "ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    if is_compressed:
        return Response(asset.compressed, 200, {**headers, "Content-Encoding": "gzip"}, asset.media_type)
    return Response(asset.data, 200, headers, asset.media_type)


@cache
def _assets() -> dict[str, _Asset]:
    """All files of the page by their path below its folder."""
    folder = Path(str(files("service") / "studio"))
    paths = sorted(path for path in folder.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(folder).as_posix(): _asset(path) for path in paths}


def _asset(path: Path) -> _Asset:
    data = path.read_bytes()
    compressed = gzip.compress(data, mtime=0) if path.suffix in COMPRESSED else None
    return _Asset(data, compressed, TYPES[path.suffix], hashlib.sha256(data).hexdigest()[:32])


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
