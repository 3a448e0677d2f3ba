"""The route of `/v1/queue`: depth, workers and expected wait of each model's queue."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from jobs.queue.load import Load
from service.dependencies import OwnerDep, ResourcesDep
from service.openapi.responses import KEY_ERRORS, errors
from service.resources import Resources
from service.submission.capacity import full_reason

router = APIRouter(prefix="/v1/queue", tags=["queue"])


class QueueOfModel(BaseModel):
    """The queue of a model. `run_s` is the average run time of its latest videos. Unknown times are null."""

    model: str
    waiting: int
    waiting_by_priority: dict[str, int]
    running: int
    live_workers: int
    run_s: float | None
    wait_s: float | None = Field(description="Seconds until all waiting videos have started.")
    reason: str | None = Field(
        description="Why no worker starts videos: disk_full, draining, model_broken, suspended, no_worker. Else null."
    )
    accepts: bool = Field(description="False: one more is refused with `queue_full`.")


class Queues(BaseModel):
    """The queues of all models."""

    object: str = "list"
    data: list[QueueOfModel]


@router.get("", responses=errors(*KEY_ERRORS))
async def read_queues(_: OwnerDep, resources: ResourcesDep) -> Queues:
    """Returns the queues of all models: waiting videos of all callers, and the expected wait."""
    models = await resources.reader.models()
    reasons = await run_in_threadpool(lambda: [resources.registry.idle_reason(model) for model in models])
    loads = [await resources.reader.load(model) for model in models]
    return Queues(data=[_to_queue(*row, resources) for row in zip(models, loads, reasons, strict=True)])


def _to_queue(model: str, load: Load, reason: str | None, resources: Resources) -> QueueOfModel:
    wait_s = None if reason else load.wait_s(load.depth)
    return QueueOfModel(
        model=model,
        waiting=load.depth,
        waiting_by_priority={priority.value: count for priority, count in load.waiting.items()},
        running=load.running,
        live_workers=load.workers,
        run_s=None if load.run_s is None else round(load.run_s, 3),
        wait_s=None if wait_s is None else round(wait_s, 3),
        reason=reason,
        accepts=full_reason(resources.settings, load, 1) is None,
    )
