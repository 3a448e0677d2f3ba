"""Whether this process lives, and whether it could accept a job right now; if not, what is missing."""

import structlog
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse

from jobs.errors import JobsError
from service.dependencies import ResourcesDep
from service.openapi.responses import errors
from service.resources import Resources

log = structlog.get_logger()

router = APIRouter(tags=["operations"])


class Readiness(BaseModel):
    """`status`: ready, not ready, or draining when this front end was told to stop.

    `missing` names what a new job needs and does not find: redis, storage, disk, model. `workers` counts the live
    ones of each model, `without_worker` names the models that have none: their jobs are accepted and wait for one.
    """

    status: str
    missing: list[str]
    without_worker: list[str]
    workers: dict[str, int]


@router.get("/healthz", responses=errors())
async def read_health() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={200: {"model": Readiness}, 503: {"model": Readiness}, **errors()})
def read_readiness(resources: ResourcesDep) -> JSONResponse:
    """Whether a job could be accepted right now: 200, or 503 with what is missing."""
    if resources.draining.is_set():
        return JSONResponse(Readiness(status="draining", missing=[], without_worker=[], workers={}).model_dump(), 503)
    missing, workers = _look(resources)
    alone = [model for model, count in workers.items() if not count]
    status = "not ready" if missing else "ready"
    answer = Readiness(status=status, missing=missing, without_worker=alone, workers=workers)
    return JSONResponse(answer.model_dump(), 503 if missing else 200)


def _look(resources: Resources) -> tuple[list[str], dict[str, int]]:
    missing: list[str] = []
    workers: dict[str, int] = {}
    try:
        workers = {card.name: resources.registry.live_workers(card.name) for card in resources.registry.cards()}
        if not workers:
            missing.append("model")
    except JobsError:
        missing.append("redis")
    try:
        resources.storage.check()
        free = resources.storage.free_bytes()
        if free is not None and free < resources.settings.min_free_disk_bytes:
            missing.append("disk")
    except JobsError as error:
        log.warning("storage.away", reason=str(error))
        missing.append("storage")
    return missing, workers
