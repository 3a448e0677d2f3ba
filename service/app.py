"""Creates the FastAPI application: routes, middleware and error handlers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI

from jobs.tracing.spans import recorder
from jobs.version import VERSION
from service.http.errors import ServerErrorMiddleware, install_handlers
from service.http.methods import HeadMiddleware, head_router, install_method_handler
from service.http.middleware import RequestLogMiddleware
from service.openapi.document import document, route_name
from service.openapi.headers import RESPONSE_HEADERS
from service.openapi.webhooks import webhook_router
from service.resources import Resources
from service.routes import content_provenance_checks, files, pages, signed_files, usage, webhooks
from service.routes.operations import admin, health, metrics, models, queue
from service.routes.videos import characters, content, create, estimate, events, playlist, tickets, update, videos
from service.settings import ServiceSettings
from service.web.cors import CrossOriginMiddleware
from service.web.foreign_pages import ForeignPageMiddleware
from service.web.path_prefix import PathPrefixMiddleware

DESCRIPTION = "Text- and image-to-video as durable jobs. Compatible with OpenAI's Videos API, with more features."


def create_app(settings: ServiceSettings) -> FastAPI:
    """Creates the application with these settings; nothing is contacted before the first request."""
    resources = Resources.from_settings(settings)
    app = FastAPI(
        title="EasyAnimate Service",
        version=VERSION,
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # FastAPI would redirect to an absolute address, which is wrong behind a proxy
        webhooks=webhook_router(),
        generate_unique_id_function=route_name,
        **recorder().fastapi_options(),
    )
    app.state.resources = resources
    app.openapi = document(app)  # type: ignore[method-assign]
    routers = list(_shared_routers())
    if settings.mcp == "on":
        routers.append(_with_heads(_mcp_router(app)))
    for router, heads in routers:
        app.include_router(router)
        app.include_router(heads)
    install_handlers(app)
    install_method_handler(app, [router for router, _ in routers])
    _add_middleware(app, settings, resources)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs MCP's sessions if it is on, and closes all connections at the end."""
    resources: Resources = app.state.resources
    async with AsyncExitStack() as stack:
        stack.push_async_callback(resources.close)
        if resources.settings.mcp == "on":
            await stack.enter_async_context(app.state.mcp.running())
        yield


def _add_middleware(app: FastAPI, settings: ServiceSettings, resources: Resources) -> None:
    """Adds the middleware from the innermost to the outermost."""
    app.add_middleware(ServerErrorMiddleware)
    if settings.cors_origins:
        exposed = tuple(RESPONSE_HEADERS)
        app.add_middleware(CrossOriginMiddleware, origins=settings.cors_origins, exposed_headers=exposed)
    if settings.auth == "off":
        origins = settings.cors_origins
        app.add_middleware(ForeignPageMiddleware, public_url=settings.public_url, origins=origins)
    app.add_middleware(RequestLogMiddleware, metrics=resources.metrics)
    app.add_middleware(HeadMiddleware)
    if settings.root_path:
        app.add_middleware(PathPrefixMiddleware, prefix=settings.root_path)


@cache
def _shared_routers() -> tuple[tuple[APIRouter, APIRouter], ...]:
    """All routers but MCP's, with their HEAD routes. Building routes is slow, so applications share them."""
    of_videos = (characters, create, estimate, videos, content, playlist, events, tickets)
    videos_routers = [module.router for module in of_videos]
    of_others = (
        files,
        content_provenance_checks,
        signed_files,
        webhooks,
        usage,
        models,
        queue,
        admin,
        health,
        metrics,
        pages,
    )
    others = [module.router for module in of_others]
    hooks = (webhooks.deliveries_router, webhooks.test_router)
    return tuple(_with_heads(router) for router in (*videos_routers, *hooks, *others, update.router))


def _with_heads(router: APIRouter) -> tuple[APIRouter, APIRouter]:
    return router, head_router(router)


def _mcp_router(app: FastAPI) -> APIRouter:
    """The route of MCP. Its package takes a second to import, so only processes that serve it do."""
    from service.mcp.endpoint import McpEndpoint  # noqa: PLC0415

    app.state.mcp = McpEndpoint(app, app.state.resources)
    router: APIRouter = app.state.mcp.router()
    return router
