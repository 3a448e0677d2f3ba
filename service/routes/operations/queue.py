"""The route of `/v1/queue`: depth, workers and expected wait of each model's queue."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from jobs.errors import RecordUnreadable
from jobs.queue.load import Load
from jobs.queue.pauses import StoredPause
from jobs.redis.unreadable import report_unreadable
from service.dependencies import OwnerDep, ResourcesDep
from service.openapi.responses import KEY_ERRORS, errors
from service.resources import Resources
from service.submission.capacity import full_reason

router = APIRouter(prefix="/v1/queue", tags=["queue"])


class QueuePause(BaseModel):
    """Since when an operator has paused a queue, in unix seconds, and the reason in the operator's words."""

    since: int | None
    reason: str


class QueueOfModel(BaseModel):
    """The queue of a model. `run_s` is the average run time of its latest videos. Unknown times are null."""

    model: str
    waiting: int
    waiting_by_priority: dict[str, int]
    running: int
    preempted: int = Field(description="Waiting videos that gave their worker to one of higher priority.")
    live_workers: int
    run_s: float | None
    wait_s: float | None = Field(description="Seconds until all waiting videos have started.")
    reason: str | None = Field(
        description="Why no worker starts videos: paused, disk_full, draining, model_broken, suspended, no_worker. "
        "Else null."
    )
    paused: QueuePause | None = Field(description="Set while an operator has paused the queue.")
    accepts: bool = Field(description="False: one more is refused with `queue_full`.")


class Queues(BaseModel):
    """The queues of all models."""

    object: str = "list"
    data: list[QueueOfModel]


@router.get("", responses=errors(*KEY_ERRORS))
async def read_queues(_: OwnerDep, resources: ResourcesDep) -> Queues:
    """Returns the queues of all models: waiting videos of all callers, and the expected wait."""
    queues = [await _readable_queue(model, resources) for model in await resources.reader.models()]
    return Queues(data=[queue for queue in queues if queue is not None])


async def _readable_queue(model: str, resources: Resources) -> QueueOfModel | None:
    """The queue of one model; None if one of its keys holds a value of another type. Raises QueueUnavailable."""
    try:
        return await read_queue(model, resources)
    except RecordUnreadable as error:
        await run_in_threadpool(report_unreadable, resources.redis, "queue", model, error)
        return None


async def read_queue(model: str, resources: Resources) -> QueueOfModel:
    """The queue of one model. Raises QueueUnavailable."""
    registry = resources.registry
    reason, pause, preempted = await run_in_threadpool(
        lambda: (registry.idle_reason(model), registry.pauses.get(model), registry.preempted(model))
    )
    return _to_queue(model, await resources.reader.load(model), reason, pause, preempted, resources)


def _to_queue(
    model: str, load: Load, reason: str | None, pause: StoredPause | None, preempted: int, resources: Resources
) -> QueueOfModel:
    wait_s = None if reason else load.wait_s(load.depth)
    return QueueOfModel(
        model=model,
        waiting=load.depth,
        waiting_by_priority={priority.value: count for priority, count in load.waiting.items()},
        running=load.running,
        preempted=preempted,
        live_workers=load.workers,
        run_s=None if load.run_s is None else round(load.run_s, 3),
        wait_s=None if wait_s is None else round(wait_s, 3),
        reason=reason,
        paused=None if pause is None else QueuePause(since=_whole(pause.since), reason=pause.reason),
        accepts=full_reason(resources.settings, load, 1) is None,
    )


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)
