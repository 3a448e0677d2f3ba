"""Which of a caller's jobs wait and which run, over all models: what the caller's limits are held against."""

from redis.client import Pipeline

from jobs.record import Job
from jobs.states import State

WAITS = "inf"  # the score of a waiting job


def tell(pipe: Pipeline, job: Job, before: State | None, after: State | None) -> None:
    """Add to `pipe` that the state of the job changes; None where there is no job."""
    if before is after:
        return
    if before is State.QUEUED:
        pipe.zrem(waiting_key(job.owner), job.id)
    if before is State.RUNNING:
        pipe.srem(running_key(job.owner), job.id)
    if after is State.QUEUED:
        pipe.zadd(waiting_key(job.owner), {job.id: WAITS})
    if after is State.RUNNING:
        pipe.sadd(running_key(job.owner), job.id)


def waiting_key(owner: str) -> str:
    """The sorted set of a caller's waiting jobs: infinity, or the unix second until which room is kept for one."""
    return f"waiting:of:{owner}"


def running_key(owner: str) -> str:
    """The set of a caller's running jobs."""
    return f"running:of:{owner}"
