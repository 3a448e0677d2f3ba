"""Methods of HTTP that no route names: HEAD works wherever GET does, and OPTIONS and 405 list the methods of a path."""

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.errors import problem_response


def head_router(router: APIRouter) -> APIRouter:
    """A HEAD route for each GET route of a router. It runs the same function, and is not in the OpenAPI document."""
    heads = APIRouter()
    for route in router.routes:
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            heads.add_api_route(
                route.path,
                route.endpoint,
                methods=["HEAD"],
                name=route.name,
                response_class=route.response_class,
                include_in_schema=False,
            )
    return heads


def install_method_handler(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Answers a method that a path of these routers does not have: 405 with a complete `Allow`, and 204 to OPTIONS."""
    routes = [route for router in routers for route in router.routes] + app.routes

    async def answer(request: Request, _: Exception) -> Response:
        headers = {"Allow": ", ".join(sorted(_methods(routes, request.scope)))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        message = f"{request.method} {request.url.path} does not exist; its methods are {headers['Allow']}"
        return problem_response(request.url.path, "method_not_allowed", message, headers=headers)

    app.add_exception_handler(405, answer)


class HeadMiddleware:
    """Sends no body in response to HEAD; the headers stay those of GET."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the application (ASGI)."""

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self.app(scope, receive, send_without_body if is_head else send)


def _methods(routes: Iterable[BaseRoute], scope: Scope) -> set[str]:
    """The methods of all routes with this path."""
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, APIRoute | Route) and route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods | ({"HEAD"} if "GET" in methods else set())
