"""Retention: sorted sets of what the keeper deletes at what time. A change of a job plans them in its transaction.

Soon after a job ends, the files of its other attempts and its checkpoints are deleted (`LEFTOVERS`). At its
`expires_at` its files are deleted (`FILES`), and later its record (`RECORDS`). After a deletion by its owner its files
are deleted once more, when no worker can still store any (`ERASED`). A waiting or running job is in none of these sets.

The set of deadlines holds the jobs with a deadline that have not ended.
"""

from enum import StrEnum
from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import Job
from jobs.redis.connection import redis_errors
from jobs.redis.keys import DEADLINES_KEY
from jobs.redis.unreadable import readable_names

LEFTOVERS_AFTER_S = 300.0
ERASED_AFTER_S = 3600.0


class CleanupQueue(StrEnum):
    """Sorted sets: job id -> unix second at which this is deleted."""

    LEFTOVERS = "sweep:leftovers"
    FILES = "sweep:files"
    RECORDS = "sweep:records"
    ERASED = "sweep:erased"


def plan_cleanup(pipe: Pipeline, job: Job) -> None:
    """Plans the deletions that follow from the end of this job, in `pipe`."""
    pipe.zadd(CleanupQueue.LEFTOVERS, {job.id: (job.completed_at or 0.0) + LEFTOVERS_AFTER_S})
    if job.expires_at is not None:
        pipe.zadd(CleanupQueue.FILES, {job.id: job.expires_at})


def plan_record(pipe: Pipeline, job: Job, at: float) -> None:
    """Plans the deletion of a record whose files are deleted, at the unix second `at`, in `pipe`."""
    pipe.zrem(CleanupQueue.FILES, job.id)
    pipe.zadd(CleanupQueue.RECORDS, {job.id: at})


def plan_erased(pipe: Pipeline, job_id: str, now: float) -> None:
    """Plans the last deletion of the files of a deleted job, in `pipe`."""
    for queue in (CleanupQueue.LEFTOVERS, CleanupQueue.FILES, CleanupQueue.RECORDS):
        pipe.zrem(queue, job_id)
    pipe.zadd(CleanupQueue.ERASED, {job_id: now + ERASED_AFTER_S})


def was_deleted(redis: Redis, job_id: str) -> bool:
    """Whether the owner has deleted this job, while its files are still to be deleted once more."""
    with redis_errors():
        return redis.zscore(CleanupQueue.ERASED, job_id) is not None


def due(redis: Redis, queue: CleanupQueue, now: float, limit: int) -> list[str]:
    """At most `limit` ids of due jobs, the longest overdue first."""
    with redis_errors():
        return readable_names(cast(list[bytes], redis.zrangebyscore(queue, "-inf", now, start=0, num=limit)))


def postpone(redis: Redis, queue: CleanupQueue, job_id: str, at: float) -> None:
    """Moves a job of this queue to the unix second `at`."""
    with redis_errors():
        redis.zadd(queue, {job_id: at})


def remove_from(redis: Redis, queue: CleanupQueue, job_id: str) -> None:
    """Removes a job from a queue."""
    with redis_errors():
        redis.zrem(queue, job_id)


def plan_deadline(pipe: Pipeline, job_id: str, deadline: float) -> None:
    """Adds the deadline of a new job to `pipe`, in unix seconds."""
    pipe.zadd(DEADLINES_KEY, {job_id: deadline})


def remove_deadline(pipe: Pipeline, job: Job) -> None:
    """Removes the deadline of a job that has ended or is deleted, in `pipe`."""
    if job.deadline is not None:
        pipe.zrem(DEADLINES_KEY, job.id)


def passed_deadlines(redis: Redis, now: float) -> list[str]:
    """Ids of the jobs whose deadline has passed, the oldest first."""
    return readable_names(cast(list[bytes], redis.zrangebyscore(DEADLINES_KEY, 0, now)))
