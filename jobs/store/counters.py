"""Counters that all processes share: ends of jobs and attempts, seconds of phases, waiting times, webhook deliveries.

They are written in the same transaction as the change, so that nothing is counted twice. A histogram is a counter for
each bucket and one for the sum of its values.
"""

import json
from bisect import bisect_left
from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import Job, Result
from jobs.model.states import State
from jobs.redis.connection import redis_errors
from jobs.redis.keys import COUNTERS_KEY
from jobs.redis.unreadable import report_unreadable
from jobs.store.attempt_log import Ending, Outcome

JOBS, ATTEMPTS, DELIVERIES = "jobs", "attempts", "deliveries"
PHASE_SECONDS, PHASE_COUNT = "phase_seconds", "phase_count"
FRAMES, RESULT_BYTES = "frames", "result_bytes"
UNREADABLE = "unreadable"  # counted by `jobs/redis/unreadable.py`
DELIVERIES_ENDED = "deliveries_ended"
PREEMPTIONS = "preemptions"
MODERATIONS = "moderations"  # counted by `jobs/moderation.py`
# Histograms, each with the upper bounds of its buckets. Bounds may be added, but a count keeps its bucket.
QUEUE_WAIT, JOB_SECONDS, WEBHOOK_DELAY, WEBHOOK_TRIES = "queue_wait", "job_seconds", "webhook_delay", "webhook_tries"
_DAY_S = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400)
BOUNDS: dict[str, tuple[float, ...]] = {
    QUEUE_WAIT: _DAY_S,
    JOB_SECONDS: _DAY_S,
    WEBHOOK_DELAY: (0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200, 86_400, 259_200),
    WEBHOOK_TRIES: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
}
BUCKET, SUM = "bucket", "sum"  # the parts of a histogram, after its name
INFINITY = "+Inf"  # the bound of the last bucket

Counts = dict[tuple[str, ...], float]


def count_change(pipe: Pipeline, old: Job, new: Job, ending: Ending | None) -> None:
    """Increments the counters for a change of a job, in `pipe`; most changes have none."""
    model = new.request.model
    if old.started_at is None and new.started_at is not None:
        observe(pipe, QUEUE_WAIT, new.started_at - new.created_at, model, new.priority)
    if old.state is State.RUNNING and new.state is not State.RUNNING:
        count(pipe, ATTEMPTS, model, ending.outcome if ending else Outcome(new.state.value))
    if new.waits_after_preemption and not old.waits_after_preemption:
        count(pipe, PREEMPTIONS, model, new.priority)
    if not new.state.is_final or old.state.is_final:
        return
    count(pipe, JOBS, model, new.state, new.failure.code if new.failure else "")
    if new.result is not None:
        _count_result(pipe, new, new.result)


def _count_result(pipe: Pipeline, job: Job, result: Result) -> None:
    model = job.request.model
    for phase, seconds in result.phase_seconds.items():
        count(pipe, PHASE_SECONDS, model, phase, amount=seconds)
        count(pipe, PHASE_COUNT, model, phase)
    count(pipe, FRAMES, model, amount=job.request.num_frames)
    count(pipe, RESULT_BYTES, model, amount=result.size_bytes)
    if job.completed_at is not None:
        observe(pipe, JOB_SECONDS, job.completed_at - job.created_at, model)


def count(pipe: Pipeline | Redis, *labels: str, amount: float = 1) -> None:
    """Adds `amount` to the counter with this name and these labels."""
    pipe.hincrbyfloat(COUNTERS_KEY, json.dumps(labels), amount)


def observe(pipe: Pipeline | Redis, histogram: str, value: float, *labels: str) -> None:
    """Adds a value to the histogram with these labels: 2 commands. Below 0, as after a step of a clock, it is 0."""
    value, bounds = max(0.0, value), BOUNDS[histogram]
    place = bisect_left(bounds, value)
    bound = bound_name(bounds[place]) if place < len(bounds) else INFINITY
    count(pipe, histogram, BUCKET, *labels, bound)
    count(pipe, histogram, SUM, *labels, amount=value)


def bound_name(bound: float) -> str:
    """The upper bound of a bucket as the clients of Prometheus write it: 300.0."""
    return str(float(bound))


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
