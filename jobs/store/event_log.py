"""The event log of a job: one stream of Redis for each job."""

import json
from typing import Any

from redis.client import Pipeline

MAX_EVENTS = 1000


_FIRST_EVENT = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('XADD', KEYS[1], ARGV[1], 'event', ARGV[2]) end
"""


def add_first_event(pipe: Pipeline, key: str, event: dict[str, Any], at: float) -> None:
    """Adds to `pipe` the first event of a job, at the unix second `at`; nothing if the stream exists."""
    pipe.eval(_FIRST_EVENT, 1, key, f"{int(at * 1000)}-1", json.dumps(event))


def add_event(pipe: Pipeline, key: str, event: dict[str, Any]) -> None:
    """Adds an event to the stream of a job, in `pipe`."""
    pipe.xadd(key, {"event": json.dumps(event)}, maxlen=MAX_EVENTS, approximate=True)
