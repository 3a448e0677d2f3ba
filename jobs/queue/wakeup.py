"""Wakes the worker of a running attempt, so that it reads the record at once.

The signal is a list in Redis: it is not lost while no worker waits for it. The record says what has changed.
"""

from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.redis.connection import redis_errors

SIGNAL_TTL_S = 600


def wake_worker(pipe: Pipeline, token: str | None) -> None:
    """Adds a signal to `pipe` for the worker of the attempt with this token; nothing without a token."""
    if token is not None:
        pipe.rpush(_key(token), b"1")
        pipe.expire(_key(token), SIGNAL_TTL_S)


def wait_for_wakeup(redis: Redis, token: str, timeout_s: float) -> bool:
    """Whether a signal arrives within `timeout_s`, which must be shorter than the read timeout of the connection."""
    with redis_errors():
        return cast(list[bytes] | None, redis.blpop([_key(token)], timeout_s)) is not None


def _key(token: str) -> str:
    return f"bell:{token}"
