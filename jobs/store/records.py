"""The table of records: read a job, and the one way to change it.

A change reads the record under WATCH, decides, and writes record, event, place in the queue, lease and outbox row in
one MULTI; if anybody changed the record in between, it starts over.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any, cast

from redis import Redis, WatchError
from redis.client import Pipeline

from jobs.access import usage
from jobs.errors import JobNotFound
from jobs.model.job import PUBLIC_STATUSES, Job
from jobs.model.states import State
from jobs.queue import fair_queue, load, tickets
from jobs.redis.connection import WatchRetries, redis_errors
from jobs.redis.keys import (
    LEASES_KEY,
    attempts_key,
    change_channel,
    events_key,
    gone_key,
    index_key,
    ledger_key,
    owner_waiting_key,
    record_key,
)
from jobs.store import attempt_log, counters
from jobs.store.attempt_log import Ending
from jobs.store.event_log import add_event, add_first_event
from jobs.store.keeper import retention
from jobs.webhooks.outbox import add_webhook

MAX_GONE, GONE_TTL_S = 10_000, 86_400

FINAL_EVENT = {
    State.COMPLETED: "video.completed",
    State.FAILED: "video.failed",
    State.EXPIRED: "video.failed",
    State.CANCELLED: "video.cancelled",
}

# KEYS: the record, the caller's jobs, those of its status, the caller's waiting jobs, the tickets of the model. ARGV:
# job, second of its creation, what says that it waits, ticket, fields. One command and not five: in a transaction each
# has an answer, and to read answers costs a front end more than anything else.
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
    """The job with this id. Raises JobNotFound."""
    if ":" in job_id:  # there are keys beside the record's that are no records
        raise JobNotFound(f"there is no video {job_id!r}")
    with redis_errors():
        return _parsed(job_id, cast(dict[bytes, bytes], redis.hgetall(record_key(job_id))))


def update(
    redis: Redis,
    job_id: str,
    decide: Change,
    extra: Extra | None = None,
    event: dict[str, Any] | None = None,
    ending: Ending | None = None,
) -> Job | None:
    """Put `decide(job)` in the place of the job, with `extra` in the same transaction; nothing if it answers None.

    `ending` says how the attempt ends that this change takes the job from. Raises JobNotFound.
    """
    again = WatchRetries(redis)
    with redis_errors(), redis.pipeline(transaction=True) as pipe:
        while True:
            try:
                pipe.watch(record_key(job_id))  # type: ignore[no-untyped-call]
                old = _parsed(job_id, cast(dict[bytes, bytes], pipe.hgetall(record_key(job_id))))
                new = decide(old)
                if new is None:
                    return None
                if new != old or event:
                    new = new.evolve(version=old.version + 1)
                pipe.multi()
                _begin_story(pipe, old, new)
                if extra:
                    extra(pipe, new)
                _write_change(pipe, old, new, event, ending)  # a final state is the last that is told
                pipe.execute()
            except WatchError as lost:
                again.after(lost)
                continue
            return new


def write_new(pipe: Pipeline, job: Job) -> None:
    """Add the record of a new job and its places in the caller's list and in the queue to `pipe`."""
    lists = index_key(job.owner), index_key(job.owner, job.public_status), owner_waiting_key(job.owner)
    keys = record_key(job.id), *lists, tickets.tickets_key(job.request.model)
    fields = chain.from_iterable(job.to_hash().items())
    pipe.eval(_NEW, len(keys), *keys, job.id, repr(job.created_at), usage.WAITS, tickets.TICKET, *fields)
    fair_queue.push(pipe, job)
    retention.plan_deadline(pipe, job)


def erase(pipe: Pipeline, job: Job) -> None:
    """Add the removal of everything about a job to `pipe`."""
    pipe.delete(record_key(job.id), events_key(job.id), attempts_key(job.id), ledger_key(job.id))
    for status in (None, *PUBLIC_STATUSES):
        pipe.zrem(index_key(job.owner, status), job.id)
    pipe.zadd(gone_key(job.owner), {job.id: job.created_at})
    pipe.zremrangebyrank(gone_key(job.owner), 0, -MAX_GONE - 1)
    pipe.expire(gone_key(job.owner), GONE_TTL_S)
    pipe.zrem(LEASES_KEY, job.id)
    usage.update_usage(pipe, job, State.QUEUED, None)
    usage.update_usage(pipe, job, State.RUNNING, None)
    fair_queue.remove(pipe, job, is_leased=False)
    load.update_running(pipe, job, State.RUNNING, None)
    retention.remove_deadline(pipe, job)
    pipe.publish(change_channel(job.id), b"")


def add_log(pipe: Pipeline, job_id: str, message: str) -> None:
    """Add a sentence for the caller to the job's story, in `pipe`."""
    add_event(pipe, events_key(job_id), {"log": message})


def _as_told(ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        return {}
    return {"outcome": ending.outcome} | ({"code": ending.why.code} if ending.why else {})


def _parsed(job_id: str, fields: dict[bytes, bytes]) -> Job:
    if not fields:
        raise JobNotFound(f"there is no video {job_id!r}")
    return Job.from_hash(fields)


def _write_change(pipe: Pipeline, old: Job, new: Job, event: dict[str, Any] | None, ending: Ending | None) -> None:
    """Add the changed fields, the event, and what a final state brings with it to `pipe`."""
    changed = {name for name in Job.model_fields if getattr(new, name) != getattr(old, name)}
    if changed:
        pipe.hset(record_key(new.id), mapping=cast(dict[Any, Any], new.to_hash(changed)))
    if new.state is not old.state:
        event = {"state": new.state, "attempt": new.attempt, **(event or {}), **_as_told(ending)}
        _write_move(pipe, old, new)
    usage.update_usage(pipe, new, old.state, new.state)
    load.update_running(pipe, new, old.state, new.state)
    attempt_log.append(pipe, old, new, ending)
    counters.count_change(pipe, old, new, ending)
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


def _begin_story(pipe: Pipeline, old: Job, new: Job) -> None:
    """Add to `pipe` that the job had waited, before anything else is told of it."""
    if old.state is State.QUEUED and old.handover == 0 and new.state is not old.state:
        add_first_event(pipe, events_key(new.id), {"state": old.state}, old.created_at)


def _write_move(pipe: Pipeline, old: Job, new: Job) -> None:
    """Add to `pipe` what it means for the queue that the job has another state."""
    if old.state is State.QUEUED:
        fair_queue.remove(pipe, old, is_leased=new.state is State.RUNNING)
    if new.state is State.QUEUED:
        fair_queue.push_front(pipe, new)
    if new.state is State.QUEUED or (
        old.state is State.RUNNING and new.running_limit
    ):  # another of its owner's may run
        tickets.add_ticket(pipe, new.request.model)
