"""Reading jobs without a thread: what the front end asks for again and again, on its event loop.

The records are those of `jobs/store/records.py`. Every method may raise QueueUnavailable.
"""

import json
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis

from jobs.errors import JobNotFound
from jobs.model.job import Job
from jobs.model.states import Priority, State
from jobs.queue.fair_queue import QueuePosition, parse_position, position_command
from jobs.queue.load import Load, load_command
from jobs.redis import keys
from jobs.redis.batching import CommandBatcher
from jobs.redis.connection import redis_errors
from jobs.redis.keys import CARDS_KEY

SEQUENCE = 1000  # ids of events are milliseconds times this, plus a count within the millisecond
MORE = 16  # ids read beyond what is asked for: jobs that were created in the same microsecond as the cursor's

LOAD_IS_GOOD_FOR_S = 1.0
_NORMAL = json.dumps(Priority.NORMAL).encode()


@dataclass(frozen=True)
class JobVersion:
    """As much of a job as tells whether a caller has seen it already. `place` is that in the queue if it waits."""

    version: int
    state: State
    place: QueuePosition | None


@dataclass(frozen=True)
class JobSnapshot:
    """A job as Redis has it, read from its `fields` only by those who have not seen it already."""

    glance: JobVersion
    fields: dict[bytes, bytes]

    @property
    def job(self) -> Job:
        """The whole record."""
        return Job.from_hash(self.fields)


@dataclass(frozen=True)
class Event:
    """Something that happened to a job. Ids grow with time, also over restarts of Redis."""

    id: int
    said: dict[str, Any]


@dataclass(frozen=True)
class EventPage:
    """Some events in a row, and whether the job is still there."""

    events: list[Event]
    is_there: bool


@dataclass(frozen=True)
class Page:
    """Some of a caller's jobs, and whether there are more behind them."""

    jobs: list[Job]
    has_more: bool


@dataclass(frozen=True)
class ListQuery:
    """Which jobs of a caller are wanted: at most `limit` of those behind the job `after`, of one public status."""

    limit: int
    after: str | None = None
    newest_first: bool = True
    status: str | None = None


class JobReader:
    """All jobs, to be looked at."""

    def __init__(self, redis: Redis, trip: CommandBatcher | None = None) -> None:
        self.redis = redis
        self._trip = trip or CommandBatcher(redis)
        self._loads: dict[str, tuple[float, Load]] = {}  # until when it is good, by model

    async def get_owned(self, job_id: str, owner: str) -> Job:
        """The job with this id if it is this caller's; another's is as good as none. Raises JobNotFound."""
        return Job.from_hash(await self._fields(job_id, owner))

    async def see(self, job_id: str, owner: str) -> JobSnapshot:
        """The job with this id if it is this caller's, as far as a caller needs it to be read. Raises JobNotFound."""
        fields = await self._fields(job_id, owner)
        version, state = int(fields.get(b"version", 0)), State(json.loads(fields[b"state"]))
        place = None
        if state is State.QUEUED:
            priority = Priority(json.loads(fields.get(b"priority", _NORMAL)))
            place = await self._place(json.loads(fields[b"request"])["model"], priority, job_id)
        return JobSnapshot(JobVersion(version, state, place), fields)

    async def place(self, job: Job) -> QueuePosition | None:
        """Where the job is in its queue; None if it does not wait."""
        if job.state is not State.QUEUED:
            return None
        return await self._place(job.request.model, job.priority, job.id)

    async def models(self) -> list[str]:
        """The names of all models that were ever announced."""
        with redis_errors():
            names = await cast(Awaitable[list[bytes]], self.redis.hkeys(CARDS_KEY))
        return sorted(name.decode() for name in names)

    async def load(self, model: str) -> Load:
        """How busy this model is, or was a moment ago."""
        found = self._loads.get(model)
        if found is None or found[0] < time.monotonic():
            with redis_errors():
                load = Load.parsed(await self._trip.execute("EVAL", *load_command(model)))
            self._loads[model] = found = (time.monotonic() + LOAD_IS_GOOD_FOR_S, load)
        return found[1]

    async def story(self, job_id: str, after: int) -> EventPage:
        """What happened to the job after the event `after`; 0 for everything that is still known."""
        begin = f"({after // SEQUENCE}-{after % SEQUENCE}" if after else "-"
        with redis_errors():
            async with self.redis.pipeline(transaction=True) as pipe:
                pipe.xrange(keys.events_key(job_id), begin)
                pipe.hget(keys.record_key(job_id), "created_at")
                rows, created_at = await pipe.execute()
        events = [Event(_number(raw), json.loads(fields[b"event"])) for raw, fields in rows]
        if not events and created_at is not None:  # it waits: its story is not written yet
            first = Event(int(float(created_at) * 1000) * SEQUENCE + 1, {"state": State.QUEUED})
            events = [first] if first.id > after else []
        return EventPage(events, created_at is not None)

    async def page(self, owner: str, wanted: ListQuery) -> Page:
        """The caller's jobs in the order of their creation, whatever came and went since the page before.

        A cursor stays good for a day after its job was deleted. Raises JobNotFound for another's or none.
        """
        index = keys.index_key(owner, wanted.status)
        with redis_errors():
            cursor = await self._cursor(owner, wanted.after)
            ids = await self._behind(index, cursor, wanted)
            async with self.redis.pipeline(transaction=False) as pipe:
                for job_id in ids[: wanted.limit]:
                    pipe.hgetall(keys.record_key(job_id))
                rows = await pipe.execute()
        return Page([Job.from_hash(fields) for fields in rows if fields], len(ids) > wanted.limit)

    async def _fields(self, job_id: str, owner: str) -> dict[bytes, bytes]:
        with redis_errors():
            fields: dict[bytes, bytes] = await self._trip.execute("HGETALL", keys.record_key(job_id))
        if not fields or json.loads(fields[b"owner"]) != owner:
            raise JobNotFound(f"there is no video {job_id!r}")
        return fields

    async def _place(self, model: str, priority: Priority, job_id: str) -> QueuePosition | None:
        with redis_errors():
            return parse_position(await self._trip.execute("EVAL", *position_command(model, priority, job_id)))

    async def _cursor(self, owner: str, after: str | None) -> tuple[float, str] | None:
        """Where in the order the job `after` stands, or stood."""
        if after is None:
            return None
        for key in (keys.index_key(owner), keys.gone_key(owner)):
            score = await self.redis.zscore(key, after)
            if score is not None:
                return float(score), after
        raise JobNotFound(f"there is no video {after!r}")

    async def _behind(self, index: str, cursor: tuple[float, str] | None, wanted: ListQuery) -> list[str]:
        """Ids behind the cursor, one more than is wanted if there are so many."""
        found: list[str] = []
        start, many = 0, wanted.limit + 1 + MORE
        edge = "+inf" if wanted.newest_first else "-inf"
        begin = edge if cursor is None else repr(cursor[0])
        while True:
            if wanted.newest_first:
                rows = await self.redis.zrevrangebyscore(index, begin, "-inf", start, many, withscores=True)
            else:
                rows = await self.redis.zrangebyscore(index, begin, "+inf", start, many, withscores=True)
            places = [(float(score), raw.decode()) for raw, score in cast(list[tuple[bytes, float]], rows)]
            found += [place[1] for place in places if _is_behind(place, cursor, wanted.newest_first)]
            if len(found) > wanted.limit or len(rows) < many:
                return found[: wanted.limit + 1]
            start += many


def _is_behind(place: tuple[float, str], cursor: tuple[float, str] | None, newest_first: bool) -> bool:
    if cursor is None:
        return True
    return place < cursor if newest_first else place > cursor


def _number(stream_id: bytes) -> int:
    milliseconds, _, count = stream_id.partition(b"-")
    return int(milliseconds) * SEQUENCE + int(count)
