"""The story of a job's attempts: who took it, what it spent its time on, how it ended, and whose fault that was.

Every line is written in the same transaction as the change it tells of, and gets its time from Redis; the lines are
put together when somebody asks.
"""

import json
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict
from redis.client import Pipeline

from jobs.model.failure import Blame, Failure
from jobs.model.job import Job
from jobs.model.states import Phase, State
from jobs.redis.keys import attempts_key

MAX_LINES = 500  # of one job; the oldest go first

StreamRows = list[tuple[bytes, dict[bytes, bytes]]]


class Outcome(StrEnum):
    """How an attempt ended: with the job, or without it."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RELEASED = "given_back"  # in good order, at no cost to the job
    RETRIED = "retried"  # the worker lives and asked for another attempt
    LOST = "lost"  # nobody has heard of the worker for longer than a lease


class Attempt(BaseModel):
    """One worker's try. Times are unix seconds; `phase_seconds` by the name of the phase, in the order they came.

    `number` is what the attempt counted as: one that was given back leaves its number to the next. `phase` and `step`
    are where it stands, or stood when it ended. `outcome` is None while it goes on; `code`, `message`, `retryable` and
    `blame` say why there is no video. `resumed_step` is the step it went on from, None if it began at the beginning.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    worker: str
    started_at: float
    ended_at: float | None = None
    outcome: Outcome | None = None
    code: str | None = None
    message: str | None = None
    retryable: bool | None = None
    blame: Blame | None = None
    phase: Phase | None = None
    step: int = 0
    total_steps: int = 0
    resumed_step: int | None = None
    phase_seconds: dict[str, float] = {}


class Ending(BaseModel):
    """Why an attempt goes back to the queue; `why` is None where nothing went wrong."""

    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    why: Failure | None = None


def append(pipe: Pipeline, old: Job, new: Job, ending: Ending | None = None) -> None:
    """Add what this change means for the attempts to `pipe`; most changes mean nothing."""
    was, is_now = old.state is State.RUNNING, new.state is State.RUNNING
    if is_now and not (was and old.token == new.token):
        _add(pipe, new.id, {"number": new.attempt, "worker": new.worker, "phase": new.phase})
    elif is_now and new.phase is not old.phase:
        _add(pipe, new.id, {"phase": new.phase})
    elif was and not is_now:
        _add(pipe, new.id, _end(old, new, ending))


def append_fields(pipe: Pipeline, job_id: str, **fields: Any) -> None:
    """Add facts about the running attempt to `pipe`: fields of `Attempt`, as `resumed_step`."""
    _add(pipe, job_id, {"note": fields})


def parse_lines(rows: StreamRows) -> list[Attempt]:
    """The attempts that these lines of the stream tell of."""
    found: list[Attempt] = []
    since = 0.0
    for raw_id, fields in rows:
        at, line = int(raw_id.partition(b"-")[0]) / 1000, json.loads(fields[b"line"])
        if "number" in line:
            found.append(Attempt(started_at=at, **line))
            since = at
        elif found and found[-1].outcome is None:
            found[-1] = _continued(found[-1], line, since, at)
            since = at if "note" not in line else since
    return found


def _continued(attempt: Attempt, line: dict[str, Any], since: float, at: float) -> Attempt:
    """The attempt with one more line; its phase had begun at `since`."""
    if "note" in line:
        return Attempt.model_validate(attempt.model_dump() | line["note"])
    seconds = dict(attempt.phase_seconds)
    if attempt.phase is not None:
        seconds[attempt.phase] = round(seconds.get(attempt.phase, 0.0) + at - since, 3)
    changes = {"phase_seconds": seconds, **line} | ({"ended_at": at} if "outcome" in line else {})
    return Attempt.model_validate(attempt.model_dump() | changes)


def _end(old: Job, new: Job, ending: Ending | None) -> dict[str, Any]:
    why = new.failure or (ending.why if ending else None)
    line: dict[str, Any] = {"outcome": ending.outcome if ending else Outcome(new.state.value)}
    line |= {"step": old.step, "total_steps": old.total_steps}
    if why is not None:
        line |= why.model_dump(mode="json")
    if new.result is not None:
        line["phase_seconds"] = new.result.phase_seconds  # the worker's own, finer than what was reported
    return line


def _add(pipe: Pipeline, job_id: str, line: dict[str, Any]) -> None:
    pipe.xadd(attempts_key(job_id), {"line": json.dumps(line)}, maxlen=MAX_LINES, approximate=True)
