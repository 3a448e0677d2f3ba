"""The stream of events of each job."""

import json
from typing import Any

from redis.client import Pipeline

MAX_EVENTS = 1000


_FIRST_EVENT = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('XADD', KEYS[1], ARGV[1], 'event', ARGV[2]) end
"""


def add_first_event(pipe: Pipeline, key: str, event: dict[str, Any], at: float) -> None:
    """Begin the story of a job with what happened at the unix second `at`; nothing if it has begun."""
    pipe.eval(_FIRST_EVENT, 1, key, f"{int(at * 1000)}-1", json.dumps(event))


def add_event(pipe: Pipeline, key: str, event: dict[str, Any]) -> None:
    """Append to the story of a job."""
    pipe.xadd(key, {"event": json.dumps(event)}, maxlen=MAX_EVENTS, approximate=True)
