"""The fair queue: the order in which the waiting jobs of a model are leased (docs/decisions/0014-fair-queue.md).

Each job gets a turn (its virtual start time) when it is queued: one after the previous job of its caller, but not
before the turn that is served now. A new caller thus waits for one job of each other caller, however long their queues
are. A higher priority is a head start of some turns, so it delays other jobs only for a limited time. A requeued job
comes before all turns, a preempted one just before the first turn of its priority.

The waiting jobs of each priority are in a sorted set by turn, so push, remove and position take O(log n). Each script
is one command in the transaction that changes the job.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import Job
from jobs.model.states import Priority
from jobs.queue.fair_queue_scripts import (
    COUNT_PREEMPTED,
    ENTER,
    ENTER_AS_NEXT,
    ENTER_AT_HEAD,
    FIRST,
    LEAVE,
    MOVE,
    NEXT_POSITIONS,
    PLACE,
)
from jobs.redis.keys import (
    owner_running_key,
    paused_key,
    preempted_key,
    record_key,
    shared_run_key,
    unserved_key,
    waiting_key,
    waiting_keys,
)
from jobs.redis.unreadable import readable_names


@dataclass(frozen=True)
class QueuePosition:
    """The number of jobs before a job, whether its model has had no worker for some time, and whether it is paused."""

    position: int
    is_unserved: bool = False
    is_paused: bool = False


def push(pipe: Pipeline, job: Job) -> None:
    """Adds the job to the queue, in `pipe`; nothing if it waits already."""
    _run(pipe, ENTER, job, job.priority.head_start)


def push_front(pipe: Pipeline, job: Job) -> None:
    """Adds a requeued job to the head of the queue, in `pipe`; of several, the first one comes first."""
    _run(pipe, ENTER_AT_HEAD, job)


def push_next(pipe: Pipeline, job: Job) -> None:
    """Adds a preempted job to the queue as the next one of its priority, in `pipe`; the first of several is first."""
    _run(pipe, ENTER_AS_NEXT, job, job.priority.head_start)


def remove(pipe: Pipeline, job: Job, *, is_leased: bool) -> None:
    """Removes the job from the queue, in `pipe`; `is_leased` if a worker leases it."""
    _run(pipe, LEAVE, job, job.priority.head_start, "taken" if is_leased else "")


def move(pipe: Pipeline, old: Job, new: Job) -> None:
    """Moves a waiting job to its new priority, in `pipe`."""
    model, lines = new.request.model, [(job.priority, f"{job.priority}:{job.owner}") for job in (old, new)]
    places = [*_shared_keys(model), *(waiting_key(model, job.priority) for job in (old, new))]
    arguments = [part for priority, line in lines for part in (line, priority.head_start)]
    pipe.eval(MOVE, len(places), *places, new.id, *arguments)


def peek(
    redis: Redis, model: str, excluded: Collection[str] = (), priorities: Iterable[Priority] = tuple(Priority)
) -> str | None:
    """The id of the next job of these priorities that is not in `excluded`; None if none waits for this model."""
    sets = [waiting_key(model, priority) for priority in priorities]
    names = [*sets, record_key(""), owner_running_key(""), shared_run_key("")]
    job_id = cast(bytes | None, redis.eval(FIRST, len(names), *names, *excluded))
    return job_id.decode() if job_id else None


def waiting(redis: Redis, model: str) -> list[str]:
    """The ids of all jobs that wait for this model."""
    ids = [job_id for key in waiting_keys(model) for job_id in cast(list[bytes], redis.zrange(key, 0, -1))]
    return readable_names(ids)


def preempted(redis: Redis, model: str) -> int:
    """Number of preempted jobs that are the next ones of their priorities."""
    names = [preempted_key(model), *waiting_keys(model)]
    return int(cast(int, redis.eval(COUNT_PREEMPTED, len(names), *names)))


def depth(redis: Redis, model: str) -> int:
    """Number of jobs that wait for this model."""
    with redis.pipeline(transaction=False) as pipe:
        for key in waiting_keys(model):
            pipe.zcard(key)
        return sum(cast(list[int], pipe.execute()))


def position_command(model: str, priority: Priority, job_id: str) -> list[Any]:
    """The arguments of EVAL whose reply `parse_position` parses."""
    names = [*_own_first(model, priority), unserved_key(model), paused_key(model)]
    return [PLACE, len(names), *names, job_id]


def next_positions_command(model: str, owner: str, priority: Priority, count: int) -> list[Any]:
    """The arguments of EVAL that returns the jobs before the first and the last of `count` new jobs of a caller.

    The new jobs themselves are not counted.
    """
    names = [*_shared_keys(model), *_own_first(model, priority)]
    return [NEXT_POSITIONS, len(names), *names, f"{priority}:{owner}", priority.head_start, count]


def parse_position(reply: Any) -> QueuePosition | None:
    """The place of a job in its queue; None if it does not wait."""
    return QueuePosition(int(reply[0]), bool(reply[1]), bool(reply[2])) if reply else None


def _shared_keys(model: str) -> list[str]:
    return [f"queue:{model}:turns", preempted_key(model)]


def _own_first(model: str, priority: Priority) -> list[str]:
    own = waiting_key(model, priority)
    return [own, *(key for key in waiting_keys(model) if key != own)]


def _run(pipe: Pipeline, script: str, job: Job, *arguments: Any) -> None:
    """Sends the whole script each time: EVALSHA of an unknown script would fail alone inside a transaction."""
    model, line = job.request.model, f"{job.priority}:{job.owner}"
    names = [*_shared_keys(model), *_own_first(model, job.priority)]
    pipe.eval(script, len(names), *names, job.id, line, *arguments)
