"""What is to be deleted when: lists that the keeper works off, written in the same step as what they follow from.

A job ends: soon after, what its other attempts and its checkpoints left goes (`LEFTOVERS`); at its `expires_at` its
files go (`FILES`); a while later its record does (`RECORDS`). Its owner deletes it: its files are looked for once more,
when no worker can still be storing any (`ERASED`). A job that waits or runs is on none of these lists.

The list of deadlines holds the jobs that have not ended and whose caller named a deadline.
"""

from enum import StrEnum
from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import Job
from jobs.redis.connection import redis_errors
from jobs.redis.keys import DEADLINES_KEY

LEFTOVERS_AFTER_S = 300.0
ERASED_AFTER_S = 3600.0


class CleanupQueue(StrEnum):
    """Sorted sets: job id -> unix second at which this is to be deleted."""

    LEFTOVERS = "sweep:leftovers"
    FILES = "sweep:files"
    RECORDS = "sweep:records"
    ERASED = "sweep:erased"


def plan_cleanup(pipe: Pipeline, job: Job) -> None:
    """Add to `pipe` what the end of this job makes necessary."""
    pipe.zadd(CleanupQueue.LEFTOVERS, {job.id: (job.completed_at or 0.0) + LEFTOVERS_AFTER_S})
    if job.expires_at is not None:
        pipe.zadd(CleanupQueue.FILES, {job.id: job.expires_at})


def plan_record(pipe: Pipeline, job: Job, at: float) -> None:
    """Add to `pipe` that the job's files are gone, and that its record goes at this unix second."""
    pipe.zrem(CleanupQueue.FILES, job.id)
    pipe.zadd(CleanupQueue.RECORDS, {job.id: at})


def plan_erased(pipe: Pipeline, job_id: str, now: float) -> None:
    """Add to `pipe` that nothing is left to do for this job but to look for its files once more."""
    for todo in (CleanupQueue.LEFTOVERS, CleanupQueue.FILES, CleanupQueue.RECORDS):
        pipe.zrem(todo, job_id)
    pipe.zadd(CleanupQueue.ERASED, {job_id: now + ERASED_AFTER_S})


def due(redis: Redis, todo: CleanupQueue, now: float, most: int) -> list[str]:
    """Ids of jobs whose time has come, the longest overdue first."""
    with redis_errors():
        found = cast(list[bytes], redis.zrangebyscore(todo, "-inf", now, start=0, num=most))
    return [raw.decode() for raw in found]


def postpone(redis: Redis, todo: CleanupQueue, job_id: str, at: float) -> None:
    """Come back to a job of this list at this unix second."""
    with redis_errors():
        redis.zadd(todo, {job_id: at})


def remove_from(redis: Redis, todo: CleanupQueue, job_id: str) -> None:
    """Take a job off a list."""
    with redis_errors():
        redis.zrem(todo, job_id)


def plan_deadline(pipe: Pipeline, job: Job) -> None:
    """Add the deadline of a new job to `pipe`, if it has one."""
    if job.deadline is not None:
        pipe.zadd(DEADLINES_KEY, {job.id: job.deadline})


def remove_deadline(pipe: Pipeline, job: Job) -> None:
    """Add to `pipe` that the job has ended, or was erased."""
    if job.deadline is not None:
        pipe.zrem(DEADLINES_KEY, job.id)


def passed_deadlines(redis: Redis, now: float) -> list[str]:
    """The jobs whose deadline has passed, the oldest first. `now` in unix seconds."""
    return [job_id.decode() for job_id in cast(list[bytes], redis.zrangebyscore(DEADLINES_KEY, 0, now))]
