"""Whether this process lives, and whether it could accept a job right now; if not, what is missing."""

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse

from jobs.errors import JobsError
from service.openapi import errors
from service.parts import Parts, PartsDep

router = APIRouter(tags=["operations"])


class Readiness(BaseModel):
    """`missing` names what a new job needs and does not find. `workers` counts the live ones of each model.

    No live worker is not missing: jobs are accepted and wait for one.
    """

    status: str
    missing: list[str]
    workers: dict[str, int]


@router.get("/healthz", responses=errors())
async def read_health() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={200: {"model": Readiness}, 503: {"model": Readiness}, **errors()})
def read_readiness(parts: PartsDep) -> JSONResponse:
    """Whether a job could be accepted right now: 200, or 503 with what is missing."""
    missing, workers = _look(parts)
    answer = Readiness(status="not ready" if missing else "ready", missing=missing, workers=workers)
    return JSONResponse(answer.model_dump(), 503 if missing else 200)


def _look(parts: Parts) -> tuple[list[str], dict[str, int]]:
    missing: list[str] = []
    workers: dict[str, int] = {}
    try:
        workers = {card.name: parts.registry.live_workers(card.name) for card in parts.registry.cards()}
        if not workers:
            missing.append("model")
    except JobsError:
        missing.append("redis")
    try:
        parts.storage.check()
    except JobsError:
        missing.append("storage")
    return missing, workers
