"""The attempt log of a job: the worker, the phases and the end of each attempt.

A line is written in the same transaction as its change and gets its time from Redis. A reader parses the lines into
attempts.
"""

import json
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel
from redis.client import Pipeline

from jobs.model.failure import Blame, Failure
from jobs.model.job import Job, WindowDrift
from jobs.model.states import Phase, State
from jobs.model.stored import KeepsUnknown
from jobs.redis.keys import attempts_key

MAX_LINES = 500  # of one job; the oldest go first

StreamRows = list[tuple[bytes, dict[bytes, bytes]]]


class Outcome(StrEnum):
    """How an attempt ended, with its job or without it."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RELEASED = "given_back"  # by a worker that shuts down; the attempt does not count
    PREEMPTED = "preempted"  # for a more urgent job; the attempt does not count
    RETRIED = "retried"  # by a worker that runs on and returned the job
    LOST = "lost"  # the worker sent no heartbeat for longer than its lease


class Attempt(BaseModel, frozen=True, allow_inf_nan=False):
    """One attempt of a worker. Times are unix seconds; `phase_seconds` has the seconds of each phase, in order.

    A released attempt (`given_back`) and a preempted one leave their `number` to the next one. `phase` and `step` are
    the current ones, or the last ones of an attempt that has ended. `outcome` is null while it runs. `code`, `message`,
    `retryable` and `blame` say why there is no video. `resumed_step` is the step of the checkpoint that it resumed
    from, or null. `drift` says how far the windows of a long video are from its first one, once it is completed.
    """

    number: int
    worker: str
    started_at: float
    ended_at: float | None = None
    outcome: Annotated[Outcome, KeepsUnknown()] | None = None
    code: str | None = None
    message: str | None = None
    retryable: bool | None = None
    blame: Annotated[Blame, KeepsUnknown()] | None = None
    phase: Annotated[Phase, KeepsUnknown()] | None = None
    step: int = 0
    total_steps: int = 0
    resumed_step: int | None = None
    phase_seconds: dict[str, float] = {}
    drift: list[WindowDrift] = []


class Ending(BaseModel, frozen=True):
    """How an attempt ended that returns its job to the queue; `why` is None if nothing failed."""

    outcome: Outcome
    why: Failure | None = None


def append(pipe: Pipeline, old: Job, new: Job, ending: Ending | None = None) -> None:
    """Adds the line for a change of a job to `pipe`; most changes have none."""
    was_running, is_running = old.state is State.RUNNING, new.state is State.RUNNING
    if is_running and not (was_running and old.token == new.token):
        _add(pipe, new.id, {"number": new.attempt, "worker": new.worker, "phase": new.phase})
    elif is_running and new.phase is not old.phase:
        _add(pipe, new.id, {"phase": new.phase})
    elif was_running and not is_running:
        _add(pipe, new.id, _end(old, new, ending))


def append_fields(pipe: Pipeline, job_id: str, **fields: Any) -> None:
    """Adds fields of `Attempt`, such as `resumed_step`, to the running attempt, in `pipe`."""
    _add(pipe, job_id, {"note": fields})


def parse_lines(rows: StreamRows, faults: list[Exception] | None = None) -> list[Attempt]:
    """The attempts in these rows of the stream. Lines that cannot be read are left out; `faults` gets their errors."""
    attempts: list[Attempt] = []
    since = 0.0
    for raw_id, fields in rows:
        at = time_of(raw_id)
        try:
            since = _add_line(attempts, json.loads(fields[b"line"]), since, at)
        except (ValueError, TypeError, KeyError) as error:
            if faults is not None:
                faults.append(error)
    return attempts


def time_of(line_id: bytes) -> float:
    """The unix second of a line."""
    return int(line_id.partition(b"-")[0]) / 1000


def _add_line(attempts: list[Attempt], line: dict[str, Any], since: float, at: float) -> float:
    """Adds a line to the attempts; returns the time at which the phase of the last one began."""
    if "number" in line:
        attempts.append(Attempt(**({"started_at": at} | line)))
        return at
    if not attempts or attempts[-1].outcome is not None:
        return since
    attempts[-1] = _with_line(attempts[-1], line, since, at)
    return since if "note" in line else at


def _with_line(attempt: Attempt, line: dict[str, Any], since: float, at: float) -> Attempt:
    """The attempt with one more line; its phase began at `since`."""
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
        line["phase_seconds"] = new.result.phase_seconds  # measured by the worker, finer than its reports
        line["drift"] = [window.model_dump() for window in new.result.drift]
    return line


def _add(pipe: Pipeline, job_id: str, line: dict[str, Any]) -> None:
    pipe.xadd(attempts_key(job_id), {"line": json.dumps(line)}, maxlen=MAX_LINES, approximate=True)
