"""Until when a caller wants a video: a list for the keeper, which ends what still waits when its time has come.

A running job is stopped by its own worker, which learns it with its next beat; a video that is made by then is kept.
"""

from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.record import Job

DEADLINES = "jobs:deadlines"  # sorted set: id of a job that has not ended -> unix second


def plan(pipe: Pipeline, job: Job) -> None:
    """Add the deadline of a new job to `pipe`, if it has one."""
    if job.deadline is not None:
        pipe.zadd(DEADLINES, {job.id: job.deadline})


def forget(pipe: Pipeline, job: Job) -> None:
    """Add to `pipe` that the job has ended, or was erased."""
    if job.deadline is not None:
        pipe.zrem(DEADLINES, job.id)


def passed(redis: Redis, now: float) -> list[str]:
    """The jobs whose deadline has passed, the oldest first. `now` in unix seconds."""
    return [job_id.decode() for job_id in cast(list[bytes], redis.zrangebyscore(DEADLINES, 0, now))]
