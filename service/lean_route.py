"""A route whose dependencies are worked out once, when it is made, and not anew for every request.

FastAPI's own solver knows everything a function may ask for; to walk through it takes longer than all else in the
answer to a poll. Here a function may ask for the request, for parts of the path as text, and for other such functions.
"""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response

Solver = Callable[[Request, dict[Any, Any]], Awaitable[Any]]

NOT_FOR_THESE = (
    "query_params",
    "header_params",
    "cookie_params",
    "body_params",
    "websocket_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
)


class LeanRoute(APIRoute):
    """The same to callers and in the OpenAPI document as any route; its function and their dependencies are async."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request: dependencies and function, without what FastAPI does for those with bodies."""
        solve = _solver(self.dependant)

        async def handle(request: Request) -> Response:
            response: Response = await solve(request, {})
            return response

        return handle


def _solver(dependant: Dependant) -> Solver:
    """What calls the function of this dependency with all it asks for; each function once a request."""
    call = dependant.call
    assert call is not None  # noqa: S101  only FastAPI's own root has none
    for kind in NOT_FOR_THESE:
        if getattr(dependant, kind):
            raise TypeError(f"a lean route does not know {kind} of {call}; use a route of FastAPI's own")
    if not (iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)):
        raise TypeError(f"{call} is not async; use a route of FastAPI's own")
    inner = [(str(each.name), _solver(each)) for each in dependant.dependencies]
    of_path = [field.name for field in dependant.path_params]
    of_request = [name for name in (dependant.request_param_name, dependant.http_connection_param_name) if name]

    async def solve(request: Request, known: dict[Any, Any]) -> Any:
        if call in known:
            return known[call]
        values = {name: await solver(request, known) for name, solver in inner}
        for name in of_path:
            values[name] = request.path_params[name]
        for name in of_request:
            values[name] = request
        known[call] = result = await call(**values)
        return result

    return solve
