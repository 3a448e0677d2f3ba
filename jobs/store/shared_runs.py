"""Equal jobs of one caller share one run (docs/decisions/0064-same-work-once.md).

All jobs of the same work wait in the queue. While one of them runs, no worker leases another one. Afterwards the others
get its result or its failure. If it ends without either, one of the others continues its run.

The mark of a run is a lease: it is renewed with that of the job, and the others are free when it has expired.

A job may also be cancelled or too late while it waits for its next attempt, after a preemption for example. Then no
worker has it. The next job of its work that is leased continues from the checkpoints in storage.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.input_files import INPUT_FILES, SHOT_FILES
from jobs.model.job import Job
from jobs.model.request import VideoRequest
from jobs.model.states import State
from jobs.redis.keys import shared_end_key, shared_jobs_key, shared_run_key, shared_stop_key
from jobs.store.keeper.retention import LEFTOVERS_AFTER_S

JOBS_KEPT_S = 31 * 86_400  # after the last submit; longer than any deadline
HELD_AFTER_DELETION_S = 30  # of the run of a deleted job: the worker stops at the end of a step, and another continues
END_KEPT_S = 86_400  # the other jobs get the result at once, or after a crash within this time
STOP_KEPT_S = round(LEFTOVERS_AFTER_S)  # then the keeper deletes the checkpoints of the stopped job

# Fields of a request that do not change its result. Inputs are compared by their content.
_KEYS = {*INPUT_FILES.values()}
_IRRELEVANT: Any = {
    **dict.fromkeys(("webhook", "metadata", "preview_every_steps", *_KEYS), True),
    "shots": {"__all__": {INPUT_FILES[name] for name in SHOT_FILES}},
}

# KEYS: the mark of a run. ARGV: job. Deletes the mark if it is that of this job.
_END_RUN = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

# KEYS: the mark of a run. ARGV: job, seconds.
_HOLD_RUN = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('EXPIRE', KEYS[1], ARGV[2]) end"

# KEYS: the jobs that have not ended, the end of a run. ARGV: the run, seconds. Names the run whose result the others
# get, or which one of them continues; nothing if there are no others.
_RECORD_END = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2]) end
"""


def work_key(owner: str, request: VideoRequest, inputs: Mapping[str, str], parents: tuple[str | None, ...]) -> str:
    """The hash of all that determines the files of a job, with its owner.

    `inputs` identify the contents of the input files by their names. `parents` are the videos that its marks name.
    """
    work = request.model_dump(mode="json", exclude=_IRRELEVANT)
    text = json.dumps([owner, work, sorted(inputs.items()), parents], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def add_job(pipe: Pipeline, job: Job) -> None:
    """Adds a new job to those of its work, in `pipe`."""
    if job.shared_key is not None:
        key = shared_jobs_key(job.shared_key)
        pipe.zadd(key, {job.id: job.created_at})
        pipe.expire(key, JOBS_KEPT_S)


def remove_job(pipe: Pipeline, job: Job) -> None:
    """Removes a job that has ended or is deleted from those of its work, in `pipe`."""
    if job.shared_key is not None:
        pipe.zrem(shared_jobs_key(job.shared_key), job.id)


def hold_run(pipe: Pipeline, job: Job) -> None:
    """Keeps the mark of the run of a deleted job, in `pipe`, until its worker has stopped at the end of a step."""
    if job.shared_key is not None and job.state is State.RUNNING:
        pipe.eval(_HOLD_RUN, 1, shared_run_key(job.shared_key), job.id, HELD_AFTER_DELETION_S)


def renew_run(pipe: Pipeline, job: Job, lease_s: float) -> None:
    """Marks the work of this job as running for the time of a lease, in `pipe`."""
    if job.shared_key is not None:
        pipe.set(shared_run_key(job.shared_key), job.id, px=round(1000 * lease_s))


def end_run(pipe: Pipeline, job: Job) -> None:
    """Ends the mark of the run of this job, in `pipe`."""
    if job.shared_key is not None:
        pipe.eval(_END_RUN, 1, shared_run_key(job.shared_key), job.id)


def follow_change(pipe: Pipeline, old: Job, new: Job) -> None:
    """Changes the entries of a job for its new state, in `pipe`."""
    if new.shared_key is None or new.state is old.state:
        return
    if new.state.is_final:
        remove_job(pipe, new)
    jobs, is_running = shared_jobs_key(new.shared_key), old.state is State.RUNNING
    if is_running:
        end_run(pipe, old)
    if is_running and new.state in (State.COMPLETED, State.FAILED):
        pipe.eval(_RECORD_END, 2, jobs, shared_end_key(new.shared_key), new.id, END_KEPT_S)
    next_handover = old.handover + is_running  # of an attempt that continues the run; 0 if there was none
    if new.state in (State.CANCELLED, State.EXPIRED) and next_handover:
        stopped = f"{new.id} {next_handover}"
        pipe.eval(_RECORD_END, 2, jobs, shared_stop_key(new.shared_key), stopped, STOP_KEPT_S)


@dataclass(frozen=True)
class StoppedRun:
    """The run of a job that was cancelled or late, and the handover of the attempt that continues it."""

    job_id: str
    next_handover: int


def stopped_run(redis: Redis, job: Job) -> StoppedRun | None:
    """The run of the same work that stopped last; None if there is none, or its checkpoints are gone by now."""
    if job.shared_key is None:
        return None
    value = cast(bytes | None, redis.get(shared_stop_key(job.shared_key)))
    if value is None:
        return None
    job_id, _, handover = value.decode(errors="replace").partition(" ")
    return StoppedRun(job_id, int(handover)) if handover.isdecimal() else None


def handover_of_lease(redis: Redis, job: Job) -> int:
    """The handover of the next attempt: one without checkpoints of its own continues a stopped run of the same work."""
    stopped = stopped_run(redis, job) if job.handover == 0 else None
    return job.handover if stopped is None else stopped.next_handover


def run_keys(job: Job) -> tuple[str, ...]:
    """The keys that decide whether this job may be leased."""
    return () if job.shared_key is None else (shared_run_key(job.shared_key),)


def is_run_of_another(redis: Redis, job: Job) -> bool:
    """Whether another job of the same work runs, so that this one may not be leased."""
    runs = [redis.get(key) for key in run_keys(job)]
    return any(run not in (None, job.id.encode()) for run in runs)


def is_outcome_of(earlier: Job, job: Job) -> bool:
    """Whether `job` gets the result or the failure of `earlier`: it was requested before that one ended."""
    is_same = (earlier.owner, earlier.shared_key) == (job.owner, job.shared_key) and earlier.id != job.id
    ended_after = earlier.completed_at is not None and job.created_at <= earlier.completed_at
    has_outcome = earlier.result is not None or earlier.state is State.FAILED
    return is_same and ended_after and has_outcome and not earlier.files_gone
