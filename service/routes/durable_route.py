"""Routes whose answer to a change waits for the disk of Redis, with `EASYANIMATE_DURABLE_SUBMIT=disk`.

Routes that create videos wait by themselves (`service/submission/admission.py`): they withdraw what is not on disk.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from jobs.errors import (
    ChangeNotDurable,
    EndpointNotFound,
    FileNotFound,
    JobNotFound,
    JobsError,
    NotCancellable,
)
from jobs.redis.durability import DiskBarrier

READS = frozenset({"GET", "HEAD", "OPTIONS"})
CHANGED_BEFORE = (NotCancellable, JobNotFound, FileNotFound, EndpointNotFound)  # perhaps by the try before this one

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class DurableRoute(APIRoute):
    """A route that changes something in Redis. A method that only reads does not wait."""

    def get_route_handler(self) -> Handler:
        """The handler of FastAPI, and the wait after it."""
        handle = super().get_route_handler()

        async def handle_and_wait(request: Request) -> Response:
            durable = request.app.state.resources.durable
            if durable is None or request.method in READS:
                return await handle(request)
            return await _on_disk(durable.barrier, handle, request)

        return handle_and_wait


def undo_if_not_durable(request: Request, undo: Callable[[], object]) -> None:
    """Registers what removes a new thing whose creation is not on disk in time: its caller does not know it."""
    request.state.undo = undo


async def _on_disk(barrier: DiskBarrier, handle: Handler, request: Request) -> Response:
    """The response when its change is on disk. Raises ChangeNotDurable, QueueUnavailable, and errors of the handler."""
    server_run = await barrier.server_run()
    try:
        response = await handle(request)
    except CHANGED_BEFORE:
        await barrier.wait_for_changes(server_run)
        raise
    try:
        await barrier.wait_for_changes(server_run)
    except ChangeNotDurable:
        if (undo := getattr(request.state, "undo", None)) is not None:
            with suppress(JobsError):
                await run_in_threadpool(undo)
        raise
    return response
