"""The route of `/v1/queue`: how many videos wait for each model, who makes them, and how long one more would wait."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jobs.queue.load import Load
from service.dependencies import OwnerDep, ResourcesDep
from service.openapi.responses import KEY_ERRORS, errors
from service.resources import Resources
from service.submission.capacity import full_reason

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


@router.get("", responses=errors(*KEY_ERRORS))
async def read_queues(_: OwnerDep, resources: ResourcesDep) -> Queues:
    """How many videos wait for each model, of all callers, and how long one more would wait."""
    models = await resources.reader.models()
    return Queues(data=[_show(model, await resources.reader.load(model), resources) for model in models])


def _show(model: str, load: Load, resources: Resources) -> QueueOfModel:
    wait_s = load.wait_s(load.depth)
    return QueueOfModel(
        model=model,
        waiting=load.depth,
        waiting_by_priority={priority.value: count for priority, count in load.waiting.items()},
        running=load.running,
        live_workers=load.workers,
        run_s=None if load.run_s is None else round(load.run_s, 3),
        wait_s=None if wait_s is None else round(wait_s, 3),
        accepts=full_reason(resources.settings, load, 1) is None,
    )
