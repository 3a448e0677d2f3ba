"""Sets of each caller's waiting and running jobs, over all models; the caller's limits are checked against them."""

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import Job
from jobs.model.states import State
from jobs.redis.keys import owner_running_key, owner_waiting_key

WAITS = "inf"  # the score of a waiting job


def may_start(redis: Redis, job: Job) -> bool:
    """Whether fewer jobs of its owner run than its limit."""
    return job.running_limit is None or redis.scard(owner_running_key(job.owner)) < job.running_limit


def update_usage(pipe: Pipeline, job: Job, before: State | None, after: State | None) -> None:
    """Adds to `pipe` the commands for a change of the job's state; None means that the job does not exist."""
    if before is after:
        return
    if before is State.QUEUED:
        pipe.zrem(owner_waiting_key(job.owner), job.id)
    if before is State.RUNNING:
        pipe.srem(owner_running_key(job.owner), job.id)
    if after is State.QUEUED:
        pipe.zadd(owner_waiting_key(job.owner), {job.id: WAITS})
    if after is State.RUNNING:
        pipe.sadd(owner_running_key(job.owner), job.id)
