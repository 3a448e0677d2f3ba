"""The short way: lean routes are found and run without what the framework wraps around every other route.

For a poll that is most of its cost: FastAPI asks one route after the other, and opens a stack for whatever a route may
have to clean up. A lean route has nothing of the kind (`lean_route.py`). To callers, in the OpenAPI document
and in the log there is no difference; what is not found here goes the usual way.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from re import Pattern

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.errors import EXPECTED, ServerErrorMiddleware, error_response
from service.http.lean_route import LeanRoute
from service.http.middleware import RequestLogMiddleware
from service.http.request_metrics import RequestMetrics


@dataclass(frozen=True)
class _Way:
    """A lean route: the paths that lead to it, and what answers."""

    route: LeanRoute
    paths: Pattern[str]
    handle: Callable[[Request], Awaitable[Response]]


class FrontEnd(FastAPI):
    """FastAPI, with a short way to its lean routes."""

    def open_short_way(self, routers: Sequence[APIRouter], metrics: RequestMetrics) -> None:
        """From here on all lean routes of these routers are answered the short way. They are in the app already."""
        self.ways: dict[str, list[_Way]] = {}
        for route in (route for router in routers for route in router.routes):
            if not isinstance(route, LeanRoute):
                raise TypeError(f"{route} is not lean")
            way = _Way(route, route.path_regex, route.get_route_handler())
            for method in route.methods or ():
                self.ways.setdefault(method, []).append(way)
        self._short = RequestLogMiddleware(ServerErrorMiddleware(_run), metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it: the short way if there is one, else FastAPI's."""
        if scope["type"] == "http":
            for way in self.ways.get(scope["method"], ()):
                if match := way.paths.match(scope["path"]):
                    scope.update({"app": self, "route": way.route, "path_params": match.groupdict(), _WAY: way})
                    return await self._short(scope, receive, send)
        return await super().__call__(scope, receive, send)


_WAY = "easyanimate.way"


async def _run(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive, send)
    try:
        response = await scope[_WAY].handle(request)
    except EXPECTED as error:
        response = await error_response(request, error)
    await response(scope, receive, send)
