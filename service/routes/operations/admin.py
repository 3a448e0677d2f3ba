"""The routes of operators, for keys with the role admin: pause and resume queues, list and drain workers."""

import structlog
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from service.dependencies import AdminDep, OptionalBodyDep, ResourcesDep
from service.http.fields import validate
from service.openapi.request_bodies import json_or_form_body
from service.openapi.responses import BODY_ERRORS, KEY_ERRORS, errors
from service.routes.durable_route import DurableRoute
from service.routes.operations.queue import QueueOfModel, read_queue
from service.schemas.admin import PauseQueue, Worker, WorkerList

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


@router.get("/workers", responses=errors(*ADMIN_ERRORS))
def list_workers(_: AdminDep, resources: ResourcesDep) -> WorkerList:
    """Lists all workers with what they do. A lost worker is listed for an hour."""
    return WorkerList(data=[Worker.of(status) for status in resources.workers.all()])


@router.post("/workers/{name}/drain", responses=errors(*ADMIN_ERRORS, "worker_not_found", "not_durable"))
def drain_worker(name: str, caller: AdminDep, resources: ResourcesDep) -> Worker:
    """Drains a worker, as SIGTERM does: it takes no more videos, and ends when its running one has ended.

    After `EASYANIMATE_DRAIN_GRACE_S` the running video is handed back, and another worker continues it. A repeat
    changes nothing; it shows how far the drain is.
    """
    status = resources.workers.request_drain(name)
    log.info("drain.requested", worker=name, by=caller.owner)
    return Worker.of(status)
