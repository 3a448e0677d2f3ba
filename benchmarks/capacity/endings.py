"""How jobs ended, read from their records, events and attempts in Redis."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from redis import Redis

from jobs.errors import JobNotFound
from jobs.model.job import Job
from jobs.model.states import FINAL_STATES, State
from jobs.redis.keys import events_key
from jobs.store import records


@dataclass
class Endings:
    """Counts of jobs. `repeated` are attempts beside the first. Times are of jobs with one attempt, in seconds."""

    accepted: int = 0
    completed: int = 0
    failed: int = 0
    lost: int = 0  # no record, or no end
    twice: int = 0  # more than one final event
    repeated: int = 0
    waits_s: list[float] = field(default_factory=list)
    overheads_s: list[float] = field(default_factory=list)


def read_endings(redis: Redis, job_ids: Iterable[str], run_s: float) -> Endings:
    """Reads all jobs; the engine took `run_s` for each."""
    endings = Endings()
    for job_id in job_ids:
        endings.accepted += 1
        job = _find(redis, job_id)
        if job is None or not job.state.is_final:
            endings.lost += 1
            continue
        endings.twice += _final_events(redis, job_id) != 1
        endings.repeated += job.handover
        if job.state is State.COMPLETED:
            _add(endings, job, run_s)
        else:
            endings.failed += 1
    return endings


def _add(endings: Endings, job: Job, run_s: float) -> None:
    endings.completed += 1
    if not job.handover and job.started_at and job.completed_at:
        endings.waits_s.append(job.started_at - job.created_at)
        endings.overheads_s.append(job.completed_at - job.started_at - run_s)


def _find(redis: Redis, job_id: str) -> Job | None:
    try:
        return records.read(redis, job_id)
    except JobNotFound:
        return None


def _final_events(redis: Redis, job_id: str) -> int:
    rows = cast(list[tuple[bytes, dict[bytes, bytes]]], redis.xrange(events_key(job_id)))
    return sum(json.loads(fields[b"event"]).get("state") in FINAL_STATES for _, fields in rows)
