"""`/mcp`: the tools over streamable HTTP, with the keys of the API.

There are no sessions: each request stands alone, so any front end answers it. The tools send their requests to the
application of this process, with the key of their caller.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import structlog
from fastapi import APIRouter
from mcp.server import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.dependencies import CallerDep
from service.mcp.api import VideoApi
from service.mcp.server import create_server
from service.resources import Resources

PATH = "/mcp"
OWN_URL = "http://127.0.0.1"  # no connection is opened: the application is called in this process


class _HandedOver(Response):
    """A response that another ASGI application sends."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class McpEndpoint:
    """The endpoint of one application. It serves while `running()` is entered, once."""

    def __init__(self, app: ASGIApp, resources: Resources) -> None:
        self.resources = resources
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url=OWN_URL, timeout=None)  # noqa: S113  no network
        self.manager = StreamableHTTPSessionManager(
            create_server(self._api_of), stateless=True, max_request_body_size=resources.settings.body_limit_bytes
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves until the end of the context."""
        async with self.http, self.manager.run():
            yield

    def router(self) -> APIRouter:
        """The route. A caller without a key gets the same 401 as on the routes of the API."""
        router = APIRouter(include_in_schema=False)

        @router.post(PATH)
        async def mcp(_: CallerDep) -> Response:
            return _HandedOver(self.manager.handle_request)

        return router

    def _api_of(self, context: ServerRequestContext) -> VideoApi:
        """The API for the caller of this request; the log has the same request id for both requests."""
        received = context.request.headers if context.request is not None else {}
        headers = {"Authorization": received["authorization"]} if "authorization" in received else {}
        if request_id := structlog.contextvars.get_contextvars().get("request_id"):
            headers["X-Request-Id"] = request_id
        return VideoApi(self.http, headers, self._has_stopped)

    def _has_stopped(self) -> bool:
        return self.resources.stopping.is_set() or self.resources.draining.is_set()
