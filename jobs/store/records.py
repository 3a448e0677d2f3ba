"""Records of jobs: reads one, and changes one by compare-and-set.

A change reads the record under WATCH and writes record, event, queue, lease and outbox row in one MULTI. It starts
over if the record was changed in between. `write_new` writes a new job; `callers/async_submission.py` calls it in the
transaction of a submit. Redis has the records; `jobs/model/job_file.py` is a copy beside each finished video.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, cast

from redis import Redis, WatchError
from redis.client import Pipeline

from jobs.access import usage
from jobs.errors import JobNotFound, RecordUnreadable
from jobs.model.job import PUBLIC_STATUSES, Job
from jobs.model.states import State
from jobs.queue import fair_queue, load, tickets
from jobs.redis.connection import WatchRetries, redis_errors
from jobs.redis.keys import (
    DEADLINES_KEY,
    LEASES_KEY,
    UNREADABLE_KEY,
    attempts_key,
    change_channel,
    events_key,
    index_key,
    ledger_key,
    owner_running_key,
    owner_waiting_key,
    record_key,
    video_list,
    waiting_keys,
)
from jobs.redis.list_places import keep_place
from jobs.redis.unreadable import reads_hash
from jobs.store import attempt_log, counters, shared_runs
from jobs.store.attempt_log import Ending
from jobs.store.event_log import add_event, add_first_event
from jobs.store.keeper import retention
from jobs.store.usage_counters import count_usage
from jobs.webhooks.outbox import add_webhook

FINAL_EVENT = {
    State.COMPLETED: "video.completed",
    State.FAILED: "video.failed",
    State.EXPIRED: "video.failed",
    State.CANCELLED: "video.cancelled",
}

# KEYS: the record, the caller's jobs, those of its status, the caller's waiting jobs, the tickets of the model. ARGV:
# job, second of its creation, score of a waiting job, ticket, fields. One command instead of five: each command of a
# transaction has a reply, and reading replies is the largest cost of a front end.
_NEW = """
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
redis.call('RPUSH', KEYS[5], ARGV[4])
"""

Change = Callable[[Job], Job | None]
Extra = Callable[[Pipeline, Job], None]


def read(redis: Redis, job_id: str) -> Job:
    """The job with this id. Raises JobNotFound, RecordUnreadable."""
    if ":" in job_id:  # the key of a log or list of a job, not of a record
        raise JobNotFound(f"there is no video {job_id!r}")
    with redis_errors(), reads_hash():
        return parse_record(job_id, cast(dict[bytes, bytes], redis.hgetall(record_key(job_id))))


def update(
    redis: Redis,
    job_id: str,
    decide: Change,
    extra: Extra | None = None,
    event: dict[str, Any] | None = None,
    ending: Ending | None = None,
    depends_on: Callable[[Job], Sequence[str]] | None = None,
) -> Job | None:
    """Replaces the job by `decide(job)`, with the commands of `extra` in the same transaction; None changes nothing.

    `ending` says how the attempt ended if this change returns the job to the queue. `depends_on` names other keys that
    `decide` reads: if one changes, `decide` is called again. Raises JobNotFound, RecordUnreadable.
    """
    retries = WatchRetries(redis)
    with redis_errors(), reads_hash(), redis.pipeline(transaction=True) as pipe:
        while True:
            try:
                pipe.watch(record_key(job_id))  # type: ignore[no-untyped-call]
                old = parse_record(job_id, cast(dict[bytes, bytes], pipe.hgetall(record_key(job_id))))
                if depends_on:
                    pipe.watch(*depends_on(old))  # type: ignore[no-untyped-call]
                new = decide(old)
                if new is None:
                    return None
                if new != old or event:
                    new = new.evolve(version=old.version + 1)
                pipe.multi()
                _add_queued_event(pipe, old, new)
                if extra:
                    extra(pipe, new)
                _write_change(pipe, old, new, event, ending)  # last, so that a final state is the last event
                pipe.execute()
            except WatchError as conflict:
                retries.after(conflict)
                continue
            return new


def write_new(pipe: Pipeline, job: Job) -> None:
    """Adds the record of a new job, its entries in the lists of its owner and in the queue to `pipe`."""
    lists = index_key(job.owner), index_key(job.owner, job.public_status), owner_waiting_key(job.owner)
    keys = record_key(job.id), *lists, tickets.tickets_key(job.request.model)
    fields = chain.from_iterable(job.to_hash().items())
    pipe.eval(_NEW, len(keys), *keys, job.id, repr(job.created_at), usage.WAITS, tickets.TICKET, *fields)
    fair_queue.push(pipe, job)
    shared_runs.add_job(pipe, job)
    if job.deadline is not None:
        retention.plan_deadline(pipe, job.id, job.deadline)


def erase(pipe: Pipeline, job: Job) -> None:
    """Deletes the record and all entries of a job, in `pipe`."""
    pipe.delete(record_key(job.id), events_key(job.id), attempts_key(job.id), ledger_key(job.id))
    for status in (None, *PUBLIC_STATUSES):
        pipe.zrem(index_key(job.owner, status), job.id)
    keep_place(pipe, video_list(job.owner), job.id, job.created_at)
    pipe.zrem(LEASES_KEY, job.id)
    usage.update_usage(pipe, job, State.QUEUED, None)
    usage.update_usage(pipe, job, State.RUNNING, None)
    fair_queue.remove(pipe, job, is_leased=False)
    load.update_running(pipe, job, State.RUNNING, None)
    shared_runs.remove_job(pipe, job)
    shared_runs.hold_run(pipe, job)
    retention.remove_deadline(pipe, job)
    pipe.publish(change_channel(job.id), b"")


def erase_unreadable(pipe: Pipeline, owner: str, job_id: str, created_at: float, model: str | None) -> None:
    """Deletes a record that cannot be read and all entries of its job, in `pipe`.

    `model` is what could be read of the request; without it the next worker removes the job from its queue.
    """
    pipe.delete(record_key(job_id), events_key(job_id), attempts_key(job_id), ledger_key(job_id))
    for status in (None, *PUBLIC_STATUSES):
        pipe.zrem(index_key(owner, status), job_id)
    keep_place(pipe, video_list(owner), job_id, created_at)
    for key in (LEASES_KEY, DEADLINES_KEY, owner_waiting_key(owner), *(waiting_keys(model) if model else ())):
        pipe.zrem(key, job_id)
    pipe.srem(owner_running_key(owner), job_id)
    if model:
        pipe.srem(load.running_key(model), job_id)
    pipe.zrem(UNREADABLE_KEY, f"job {job_id}")
    pipe.publish(change_channel(job_id), b"")


def add_log(pipe: Pipeline, job_id: str, message: str) -> None:
    """Adds a sentence for the caller to the event log, in `pipe`."""
    add_event(pipe, events_key(job_id), {"log": message})


def _ending_fields(ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        return {}
    return {"outcome": ending.outcome} | ({"code": ending.why.code} if ending.why else {})


def parse_record(job_id: str, fields: dict[bytes, bytes]) -> Job:
    """The job with these fields in Redis. Raises JobNotFound without any, and RecordUnreadable."""
    if not fields:
        raise JobNotFound(f"there is no video {job_id!r}")
    job = Job.from_hash(fields)
    if job.id != job_id:
        raise RecordUnreadable(f"the stored Job cannot be read: it has the id {job.id!r}")
    return job


def _write_change(pipe: Pipeline, old: Job, new: Job, event: dict[str, Any] | None, ending: Ending | None) -> None:
    """Writes the changed fields, the event and the consequences of a final state, in `pipe`."""
    changed = {name for name in Job.model_fields if getattr(new, name) != getattr(old, name)}
    if changed:
        pipe.hset(record_key(new.id), mapping=cast(dict[Any, Any], new.to_hash(changed)))
    if new.state is not old.state:
        event = {"state": new.public_state, "attempt": new.attempt, **(event or {}), **_ending_fields(ending)}
        _update_queue(pipe, old, new)
    else:
        _update_schedule(pipe, old, new)
    usage.update_usage(pipe, new, old.state, new.state)
    load.update_running(pipe, new, old.state, new.state)
    attempt_log.append(pipe, old, new, ending)
    counters.count_change(pipe, old, new, ending)
    count_usage(pipe, old, new)
    shared_runs.follow_change(pipe, old, new)
    if event:
        add_event(pipe, events_key(new.id), event)
    if new.public_status != old.public_status:
        pipe.zrem(index_key(new.owner, old.public_status), new.id)
        pipe.zadd(index_key(new.owner, new.public_status), {new.id: new.created_at})
    if new.version != old.version:
        pipe.publish(change_channel(new.id), new.version)
    if new.state.is_final and not old.state.is_final:
        pipe.zrem(LEASES_KEY, new.id)
        retention.remove_deadline(pipe, new)
        retention.plan_cleanup(pipe, new)
        add_webhook(pipe, new, FINAL_EVENT[new.state], new.completed_at or 0.0)


def _add_queued_event(pipe: Pipeline, old: Job, new: Job) -> None:
    """Adds the event `queued` before the first change of a job, in `pipe`."""
    if old.state is State.QUEUED and old.handover == 0 and new.state is not old.state:
        add_first_event(pipe, events_key(new.id), {"state": old.state}, old.created_at)


def _update_schedule(pipe: Pipeline, old: Job, new: Job) -> None:
    """Changes the places of a waiting job for its new priority and deadline, in `pipe`."""
    if new.priority != old.priority:
        fair_queue.move(pipe, old, new)
    if new.deadline is not None and new.deadline != old.deadline:
        retention.plan_deadline(pipe, new.id, new.deadline)


def _update_queue(pipe: Pipeline, old: Job, new: Job) -> None:
    """Changes the queue for the new state of the job, in `pipe`."""
    if old.state is State.QUEUED:
        fair_queue.remove(pipe, old, is_leased=new.state is State.RUNNING)
    if new.waits_after_preemption:
        fair_queue.push_next(pipe, new)
    elif new.state is State.QUEUED:
        fair_queue.push_front(pipe, new)
    # After an attempt another job of an owner with a running limit, or of the same work, may start.
    is_awaited = new.running_limit is not None or new.shared_key is not None
    if new.state is State.QUEUED or (old.state is State.RUNNING and is_awaited):
        tickets.add_ticket(pipe, new.request.model)
