"""The queue: RQ carries the job's id, as JSON, to one allow-listed task; everything else is in the record.

One queue per model, so that a worker listens only to what it can run, and only one queue per worker: taking from a
single queue is crash-safe in RQ (LMOVE to an intermediate list), taking from several is not.
"""

from typing import Any

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job as RQJob
from rq.serializers import JSONSerializer

TASK = "worker.tasks.make_video"  # by name: the front end never imports the worker
FAILED_ENTRY_TTL_S = 3600


def queue_name(model: str) -> str:
    """The queue of one model's jobs."""
    return f"videos-{model}"


def open_queue(redis: Redis, model: str) -> Queue:
    """The RQ queue of one model."""
    return Queue(queue_name(model), connection=redis, serializer=JSONSerializer)


def push(redis: Redis, pipe: Pipeline, model: str, job_id: str, handover: int, *, at_front: bool = False) -> None:
    """Add the RQ entry of a job's next handover to `pipe`: it exists when the rest of the transaction does."""
    queue = open_queue(redis, model)
    entry = RQJob.create(
        TASK,
        args=(job_id,),
        id=entry_id(job_id, handover),
        connection=redis,
        serializer=JSONSerializer,
        origin=queue.name,
        timeout=-1,  # the worker keeps its own time: a signal cannot stop a device call
        result_ttl=0,
        failure_ttl=FAILED_ENTRY_TTL_S,
    )
    queue.enqueue_job(entry, pipeline=pipe, at_front=at_front)


def withdraw(redis: Redis, model: str, job_id: str, handover: int) -> None:
    """Take a job's waiting entry off the queue; nothing happens if a worker has it already."""
    try:
        entry = RQJob.fetch(entry_id(job_id, handover), connection=redis, serializer=JSONSerializer)
        open_queue(redis, model).remove(entry)
        entry.delete(remove_from_queue=False)
    except (NoSuchJobError, InvalidJobOperation):
        return


def depth(redis: Redis, model: str) -> int:
    """How many jobs wait for this model."""
    return open_queue(redis, model).count


def position(redis: Redis, model: str, job_id: str, handover: int) -> int | None:
    """How many jobs are before this one, or None if it is not waiting."""
    found: Any = redis.lpos(open_queue(redis, model).key, entry_id(job_id, handover))
    return None if found is None else int(found)


def entry_id(job_id: str, handover: int) -> str:
    """The RQ id of one handover: an entry RQ is still tidying up never stands in the way of the next."""
    return f"{job_id}-{handover}"
