"""Counts that all processes share: how jobs and attempts ended, what their phases took, what became of webhooks.

Written in the same transaction as what they count, so that nothing is counted twice and no process has to be asked.
"""

import json
from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import Job
from jobs.model.states import State
from jobs.redis.connection import redis_errors
from jobs.store.attempt_log import Ending, Outcome

COUNTERS_KEY = "tally"  # hash: JSON of [name, label, ...] -> number

JOBS, ATTEMPTS, DELIVERIES = "jobs", "attempts", "deliveries"
PHASE_SECONDS, PHASE_COUNT = "phase_seconds", "phase_count"

Counts = dict[tuple[str, ...], float]


def count_change(pipe: Pipeline, old: Job, new: Job, ending: Ending | None) -> None:
    """Add to `pipe` what this change of a job counts for; most changes count for nothing."""
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
    """Add `amount` to the number that is called by its name and its labels."""
    pipe.hincrbyfloat(COUNTERS_KEY, json.dumps(labels), amount)


def read_counters(redis: Redis) -> Counts:
    """All numbers, by name and labels."""
    with redis_errors():
        rows = cast(dict[bytes, bytes], redis.hgetall(COUNTERS_KEY))
    return {tuple(json.loads(name)): float(value) for name, value in rows.items()}
