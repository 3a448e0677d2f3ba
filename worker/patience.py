"""Waiting for Redis: a worker with work in its hands does not give up because Redis is away."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from jobs.errors import QueueUnavailable
from worker.drain import Drain

log = structlog.get_logger()
T = TypeVar("T")

PAUSE_S = 0.5


def patiently(call: Callable[[], T], drain: Drain) -> T:
    """What `call` answers, when Redis answers. Raises QueueUnavailable only when the worker has to go."""
    while True:
        try:
            return call()
        except QueueUnavailable:
            log.warning("redis.away")
            if drain.is_over:
                raise
            time.sleep(PAUSE_S)
