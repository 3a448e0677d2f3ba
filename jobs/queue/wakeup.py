"""A bell for each running attempt: who wants its worker to look at the record at once rings it.

It is a list, so a ring is not lost when nobody listens just then; the record says what it is about.
"""

from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.redis.connection import redis_errors

RINGS_FOR_S = 600


def wake_worker(pipe: Pipeline, token: str | None) -> None:
    """Add to `pipe` that the worker of the attempt with this token, if there is one, shall look."""
    if token is not None:
        pipe.rpush(_key(token), b"1")
        pipe.expire(_key(token), RINGS_FOR_S)


def wait_for_wakeup(redis: Redis, token: str, timeout_s: float) -> bool:
    """Whether it rang within `timeout_s`, which is shorter than the connection's own patience."""
    with redis_errors():
        return cast(list[bytes] | None, redis.blpop([_key(token)], timeout_s)) is not None


def _key(token: str) -> str:
    return f"bell:{token}"
