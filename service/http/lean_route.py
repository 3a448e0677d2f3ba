"""A route whose dependencies are worked out once, when it is made, and not anew for every request.

FastAPI's own solver knows everything a function may ask for; to walk through it takes longer than all else in the
answer to a poll. Here a function may ask for the request, for parts of the path as text, and for other such functions.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response

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


@dataclass(frozen=True)
class _Step:
    """A function to be called, and what it is called with: answers of steps before, parts of the path, the request."""

    call: Callable[..., Awaitable[Any]]
    of_steps: tuple[tuple[str, int], ...]
    of_path: tuple[str, ...]
    of_request: tuple[str, ...]


class LeanRoute(APIRoute):
    """The same to callers and in the OpenAPI document as any route; its function and their dependencies are async."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request: dependencies and function, without what FastAPI does for those with bodies."""
        steps: list[_Step] = []
        _plan(self.dependant, steps)

        async def handle(request: Request) -> Response:
            answers: list[Any] = []
            for step in steps:
                values = {name: answers[place] for name, place in step.of_steps}
                for name in step.of_path:
                    values[name] = request.path_params[name]
                for name in step.of_request:
                    values[name] = request
                answers.append(await step.call(**values))
            response: Response = answers[-1]
            return response

        return handle


def _plan(dependant: Dependant, steps: list[_Step]) -> int:
    """Add the steps to the answer of this dependency's function; the number of the last. Each function is one step."""
    call = dependant.call
    assert call is not None  # noqa: S101  only FastAPI's own root has none
    for place, step in enumerate(steps):
        if step.call == call:
            return place
    for kind in NOT_FOR_THESE:
        if getattr(dependant, kind):
            raise TypeError(f"a lean route does not know {kind} of {call}; use a route of FastAPI's own")
    if not (iscoroutinefunction(call) or iscoroutinefunction(type(call).__call__)):
        raise TypeError(f"{call} is not async; use a route of FastAPI's own")
    of_steps = tuple((str(each.name), _plan(each, steps)) for each in dependant.dependencies)
    of_path = tuple(field.name for field in dependant.path_params)
    of_request = [name for name in (dependant.request_param_name, dependant.http_connection_param_name) if name]
    steps.append(_Step(call, of_steps, of_path, tuple(of_request)))
    return len(steps) - 1
