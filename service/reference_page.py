"""The page `/docs`: the OpenAPI document to read and to try, with all it needs served from here and no other place."""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse

from service.problems import Problem

router = APIRouter(include_in_schema=False)

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
def read_asset(name: str) -> FileResponse:
    """A file of the page."""
    if name not in ASSETS:
        raise Problem("not_found", "the reference page has no such file")
    path = str(files("fastapi_offline") / "static" / name)
    return FileResponse(path, headers={"Cache-Control": "public, max-age=86400"})
