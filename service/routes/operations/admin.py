"""The routes of operators, for keys with the role admin: pause and resume the queue of a model."""

import structlog
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from service.dependencies import AdminDep, OptionalBodyDep, ResourcesDep
from service.http.fields import validate
from service.openapi.request_bodies import json_or_form_body
from service.openapi.responses import BODY_ERRORS, KEY_ERRORS, errors
from service.routes.durable_route import DurableRoute
from service.routes.operations.queue import QueueOfModel, read_queue
from service.schemas.admin import PauseQueue

log = structlog.get_logger()

router = APIRouter(prefix="/v1/admin", tags=["operators"], route_class=DurableRoute)

ADMIN_ERRORS = (*KEY_ERRORS, "forbidden")
PAUSE_EXAMPLES = {"an update of the driver": {"reason": "an update of the driver, until 14:00 UTC"}}
PAUSE_BODY = json_or_form_body(PauseQueue, PAUSE_EXAMPLES, frozenset())


@router.post(
    "/queues/{model}/pause",
    responses=errors(*ADMIN_ERRORS, *BODY_ERRORS, "model_not_found", "not_durable"),
    openapi_extra={"requestBody": {**PAUSE_BODY["requestBody"], "required": False}},
)
async def pause_queue(model: str, caller: AdminDep, fields: OptionalBodyDep, resources: ResourcesDep) -> QueueOfModel:
    """Pauses the queue of a model: its videos are accepted and wait, running ones end normally. The body is optional.

    A repeat replaces the reason. The pause lasts until the queue is resumed, over restarts of all processes.
    """
    body = validate(PauseQueue, fields)
    await run_in_threadpool(resources.registry.pauses.pause, model, body.reason)
    log.info("queue.paused", model=model, by=caller.owner)
    return await read_queue(model, resources)


@router.post(
    "/queues/{model}/resume",
    responses=errors(*ADMIN_ERRORS, "model_not_found", "not_durable"),
)
async def resume_queue(model: str, caller: AdminDep, resources: ResourcesDep) -> QueueOfModel:
    """Resumes the queue of a model; its workers start the next videos within a second or two."""
    if await run_in_threadpool(resources.registry.pauses.resume, model):
        log.info("queue.resumed", model=model, by=caller.owner)
    return await read_queue(model, resources)
