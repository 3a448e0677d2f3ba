"""The route of `/v1/queue`: how many videos wait for each model, who makes them, and how long one more would wait."""

from math import ceil

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jobs.load import Load
from service.openapi import errors
from service.parts import OwnerDep, Parts, PartsDep
from service.settings import ServiceSettings

USUAL_RETRY_AFTER_S, LONGEST_RETRY_AFTER_S = 30, 60

router = APIRouter(prefix="/v1/queue", tags=["queue"])


class QueueOfModel(BaseModel):
    """How busy a model is. `run_s` is what its latest videos took in seconds; times are null if nobody can say."""

    model: str
    waiting: int
    waiting_by_priority: dict[str, int]
    running: int
    live_workers: int
    run_s: float | None
    wait_s: float | None = Field(description="Seconds until all that waits now is begun.")
    accepts: bool = Field(description="False: one more is refused with `queue_full`.")


class Queues(BaseModel):
    """The queues of all models."""

    object: str = "list"
    data: list[QueueOfModel]


@router.get("", responses=errors("invalid_api_key", "queue_unavailable"))
async def read_queues(_: OwnerDep, parts: PartsDep) -> Queues:
    """How many videos wait for each model, of all callers, and how long one more would wait."""
    models = await parts.reader.models()
    return Queues(data=[_show(model, await parts.reader.load(model), parts) for model in models])


def why_full(settings: ServiceSettings, load: Load, count: int) -> str | None:
    """Why so many more videos are not accepted; None if they are."""
    if load.depth + count > settings.max_queued_jobs:
        return f"at most {settings.max_queued_jobs} videos may wait, and {load.depth} do"
    wait_s = load.wait_s(load.depth + count - 1)
    if wait_s is not None and wait_s > settings.max_wait_s:
        return f"the last of {load.depth} waiting videos is begun in {wait_s:.0f} s, later than we promise"
    return None


def retry_after_s(load: Load) -> int:
    """When a place should be free: as soon as a worker is done with a video, and a minute at most."""
    if load.run_s is None or not load.workers:
        return USUAL_RETRY_AFTER_S
    return min(max(1, ceil(load.run_s / load.workers)), LONGEST_RETRY_AFTER_S)


def _show(model: str, load: Load, parts: Parts) -> QueueOfModel:
    wait_s = load.wait_s(load.depth)
    return QueueOfModel(
        model=model,
        waiting=load.depth,
        waiting_by_priority={priority.value: count for priority, count in load.waiting.items()},
        running=load.running,
        live_workers=load.workers,
        run_s=None if load.run_s is None else round(load.run_s, 3),
        wait_s=None if wait_s is None else round(wait_s, 3),
        accepts=why_full(parts.settings, load, 1) is None,
    )
