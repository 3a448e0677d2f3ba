"""Liveness and readiness of this process."""

import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse

from jobs.errors import JobsError
from jobs.redis.unreadable import SetAside
from service.dependencies import ResourcesDep
from service.openapi.responses import errors
from service.resources import Resources

log = structlog.get_logger()

router = APIRouter(tags=["operations"])


class Readiness(BaseModel):
    """The readiness of this process. `status` is `ready`, `not ready`, or `draining` while the process stops.

    `missing` names the parts that a new job needs: redis, storage, disk, model. `workers` counts the live workers of
    each model. `without_worker` names the models that have none; their jobs are accepted and wait.
    `idle_reasons` names the models of which no worker takes jobs, with the reason: disk_full, draining, model_broken,
    suspended, paused or no_worker.
    """

    status: str
    missing: list[str]
    without_worker: list[str]
    workers: dict[str, int]
    idle_reasons: dict[str, str]


class Startup(BaseModel):
    """Whether this process has started: `started` or `starting`."""

    status: str


@router.get("/healthz", responses=errors())
async def read_health() -> dict[str, str]:
    """Responds while the process is alive."""
    return {"status": "ok"}


@router.get("/livez", responses=errors())
async def read_liveness() -> dict[str, str]:
    """The same as `/healthz`, by the name that Kubernetes uses."""
    return {"status": "ok"}


@router.get("/startupz", responses={200: {"model": Startup}, 503: {"model": Startup}, **errors()})
def read_startup(resources: ResourcesDep) -> JSONResponse:
    """200 as soon as this process has written to Redis once; 503 before."""
    has_started = resources.writable.has_succeeded or resources.writable.is_writable()
    return JSONResponse(
        Startup(status="started" if has_started else "starting").model_dump(), 200 if has_started else 503
    )


@router.get("/readyz", responses={200: {"model": Readiness}, 503: {"model": Readiness}, **errors()})
def read_readiness(resources: ResourcesDep) -> JSONResponse:
    """Checks whether jobs can be accepted: 200, or 503 with the missing parts. Redis gets a write as of a job."""
    if resources.draining.is_set():
        draining = Readiness(status="draining", missing=[], without_worker=[], workers={}, idle_reasons={})
        return JSONResponse(draining.model_dump(), 503)
    missing, workers, idle_reasons = _check(resources)
    without_worker = [model for model, count in workers.items() if not count]
    status = "not ready" if missing else "ready"
    parts = {"missing": missing, "without_worker": without_worker, "workers": workers, "idle_reasons": idle_reasons}
    readiness = Readiness(status=status, **parts)
    return JSONResponse(readiness.model_dump(), 503 if missing else 200)


def _check(resources: Resources) -> tuple[list[str], dict[str, int], dict[str, str]]:
    missing: list[str] = []
    workers: dict[str, int] = {}
    idle_reasons: dict[str, str] = {}
    try:
        workers, idle_reasons = _workers(resources)
        if not workers:
            missing.append("model")
    except JobsError:
        missing.append("redis")
    else:
        if not resources.writable.is_writable():
            missing.append("redis")
    try:
        resources.storage.check()
        free = resources.storage.free_bytes()
        if free is not None and free < resources.settings.min_free_disk_bytes:
            missing.append("disk")
    except JobsError as error:
        log.warning("storage.unavailable", reason=str(error))
        missing.append("storage")
    return missing, workers, idle_reasons


def _workers(resources: Resources) -> tuple[dict[str, int], dict[str, str]]:
    """The live workers of each model, and why none takes jobs. A model with a value of another type is left out."""
    registry, unreadable = resources.registry, SetAside(resources.redis, "queue")
    workers: dict[str, int] = {}
    idle_reasons: dict[str, str] = {}
    for card in registry.cards():
        with unreadable.guard(card.name):
            workers[card.name] = registry.live_workers(card.name)
            if reason := registry.idle_reason(card.name):
                idle_reasons[card.name] = reason
    return workers, idle_reasons
