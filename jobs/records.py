"""The table of records: read a job, and the one way to change it.

A change reads the record under WATCH, decides, and writes record, event, place in the queue, lease and outbox row in
one MULTI; if anybody changed the record in between, it starts over.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any, cast

from redis import Redis, WatchError
from redis.client import Pipeline

from jobs import active, attempts, deadlines, load, queue, retention, tally, turns
from jobs.attempts import Ending
from jobs.delivery import ledger_key
from jobs.errors import JobNotFound
from jobs.outbox import add_event, add_first_event, add_webhook
from jobs.record import PUBLIC_STATUSES, Job
from jobs.redis_connection import StartedOver, answering
from jobs.states import State

LEASES = "jobs:leases"  # sorted set: running job id -> unix second at which its worker is given up

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
    with answering():
        return _parsed(job_id, cast(dict[bytes, bytes], redis.hgetall(record_key(job_id))))


def change(
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
    again = StartedOver(redis)
    with answering(), redis.pipeline(transaction=True) as pipe:
        while True:
            try:
                pipe.watch(record_key(job_id))  # type: ignore[no-untyped-call]
                old = _parsed(job_id, cast(dict[bytes, bytes], pipe.hgetall(record_key(job_id))))
                new = decide(old)
                if new is None:
                    return None
                if new != old or event:
                    new = new.with_changes(version=old.version + 1)
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
    lists = index_key(job.owner), index_key(job.owner, job.public_status), active.waiting_key(job.owner)
    keys = record_key(job.id), *lists, queue.tickets_key(job.request.model)
    fields = chain.from_iterable(job.to_hash().items())
    pipe.eval(_NEW, len(keys), *keys, job.id, repr(job.created_at), active.WAITS, queue.TICKET, *fields)
    turns.enter(pipe, job)
    deadlines.plan(pipe, job)


def erase(pipe: Pipeline, job: Job) -> None:
    """Add the removal of everything about a job to `pipe`."""
    pipe.delete(record_key(job.id), events_key(job.id), attempts.attempts_key(job.id), ledger_key(job.id))
    for status in (None, *PUBLIC_STATUSES):
        pipe.zrem(index_key(job.owner, status), job.id)
    pipe.zadd(gone_key(job.owner), {job.id: job.created_at})
    pipe.zremrangebyrank(gone_key(job.owner), 0, -MAX_GONE - 1)
    pipe.expire(gone_key(job.owner), GONE_TTL_S)
    pipe.zrem(LEASES, job.id)
    active.tell(pipe, job, State.QUEUED, None)
    active.tell(pipe, job, State.RUNNING, None)
    turns.leave(pipe, job, is_taken=False)
    load.tell(pipe, job, State.RUNNING, None)
    deadlines.forget(pipe, job)
    pipe.publish(news_channel(job.id), b"")


def record_key(job_id: str) -> str:
    """The hash that holds a job's record."""
    return f"job:{job_id}"


def events_key(job_id: str) -> str:
    """The stream that holds a job's story. It is made by the first change: a stream costs 4 kB, and many jobs wait."""
    return f"job:{job_id}:events"


def news_channel(job_id: str) -> str:
    """Where everybody who waits for a change of this job hears that there was one."""
    return f"job:{job_id}:news"


def index_key(owner: str, status: str | None = None) -> str:
    """The sorted set of a caller's jobs, or of those with one public status, by time of creation."""
    return f"jobs:{status}:of:{owner}" if status else f"jobs:of:{owner}"


def gone_key(owner: str) -> str:
    """The sorted set of a caller's lately deleted jobs, by time of creation: a list may stand at one of them."""
    return f"jobs:gone:of:{owner}"


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
    active.tell(pipe, new, old.state, new.state)
    load.tell(pipe, new, old.state, new.state)
    attempts.tell(pipe, old, new, ending)
    tally.tell(pipe, old, new, ending)
    if event:
        add_event(pipe, events_key(new.id), event)
    if new.public_status != old.public_status:
        pipe.zrem(index_key(new.owner, old.public_status), new.id)
        pipe.zadd(index_key(new.owner, new.public_status), {new.id: new.created_at})
    if new.version != old.version:
        pipe.publish(news_channel(new.id), new.version)
    if new.state.is_final and not old.state.is_final:
        pipe.zrem(LEASES, new.id)
        deadlines.forget(pipe, new)
        retention.plan(pipe, new)
        add_webhook(pipe, new, FINAL_EVENT[new.state], new.completed_at or 0.0)


def _begin_story(pipe: Pipeline, old: Job, new: Job) -> None:
    """Add to `pipe` that the job had waited, before anything else is told of it."""
    if old.state is State.QUEUED and old.handover == 0 and new.state is not old.state:
        add_first_event(pipe, events_key(new.id), {"state": old.state}, old.created_at)


def _write_move(pipe: Pipeline, old: Job, new: Job) -> None:
    """Add to `pipe` what it means for the queue that the job has another state."""
    if old.state is State.QUEUED:
        turns.leave(pipe, old, is_taken=new.state is State.RUNNING)
    if new.state is State.QUEUED:
        turns.enter_at_head(pipe, new)
    if new.state is State.QUEUED or (
        old.state is State.RUNNING and new.running_limit
    ):  # another of its owner's may run
        queue.add_ticket(pipe, new.request.model)
