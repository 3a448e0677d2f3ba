"""Counters that all processes share: ends of jobs and attempts, seconds of phases, and webhook deliveries.

They are written in the same transaction as the change, so that nothing is counted twice.
"""

import json
from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import Job
from jobs.model.states import State
from jobs.redis.connection import redis_errors
from jobs.redis.keys import COUNTERS_KEY
from jobs.redis.unreadable import report_unreadable
from jobs.store.attempt_log import Ending, Outcome

JOBS, ATTEMPTS, DELIVERIES = "jobs", "attempts", "deliveries"
PHASE_SECONDS, PHASE_COUNT = "phase_seconds", "phase_count"
UNREADABLE = "unreadable"  # counted by `jobs/redis/unreadable.py`

Counts = dict[tuple[str, ...], float]


def count_change(pipe: Pipeline, old: Job, new: Job, ending: Ending | None) -> None:
    """Increments the counters for a change of a job, in `pipe`; most changes have none."""
    model = new.request.model
    if old.state is State.RUNNING and new.state is not State.RUNNING:
        count(pipe, ATTEMPTS, model, ending.outcome if ending else Outcome(new.state.value))
    if not new.state.is_final or old.state.is_final:
        return
    count(pipe, JOBS, model, new.state, new.failure.code if new.failure else "")
    for phase, seconds in (new.result.phase_seconds if new.result else {}).items():
        count(pipe, PHASE_SECONDS, model, phase, amount=seconds)
        count(pipe, PHASE_COUNT, model, phase)


def count(pipe: Pipeline | Redis, *labels: str, amount: float = 1) -> None:
    """Adds `amount` to the counter with this name and these labels."""
    pipe.hincrbyfloat(COUNTERS_KEY, json.dumps(labels), amount)


def read_counters(redis: Redis) -> Counts:
    """All counters by name and labels, without those that cannot be read."""
    counts: Counts = {}
    with redis_errors():
        rows = cast(dict[bytes, bytes], redis.hgetall(COUNTERS_KEY))
    for name, value in rows.items():
        try:
            counts[tuple(json.loads(name))] = float(value)
        except (ValueError, TypeError) as error:
            report_unreadable(redis, "counter", name.decode(errors="replace"), error)
    return counts
