"""Reads jobs on the event loop of the front end.

The records are those of `jobs/store/records.py`. Every method may raise QueueUnavailable.
"""

import json
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

from redis.asyncio import Redis
from redis.client import Pipeline

from jobs.errors import JobNotFound, RecordUnreadable
from jobs.model.job import Job
from jobs.model.states import Priority, State
from jobs.model.stored import to_member
from jobs.queue.fair_queue import QueuePosition, next_positions_command, parse_position, position_command
from jobs.queue.load import Load, load_command, running_key
from jobs.queue.run_times import RunTimeModel, fit_run_times, parse_run_times, run_times_range
from jobs.redis import keys
from jobs.redis.batching import CommandBatcher
from jobs.redis.connection import redis_errors
from jobs.redis.keys import CARDS_KEY
from jobs.redis.unreadable import hash_reply, log_unreadable, readable_names, reads_hash, report_command
from jobs.store.attempt_log import Attempt, StreamRows, parse_lines
from jobs.store.callers.job_list import ListQuery, Page, list_ids
from jobs.store.records import parse_record

SEQUENCE = 1000  # ids of events are milliseconds times this, plus a count within the millisecond

LOAD_CACHE_S = 1.0
MAX_RUNNING = 64  # running jobs whose times an estimate reads
_NORMAL = json.dumps(Priority.NORMAL).encode()


@dataclass(frozen=True)
class JobVersion:
    """What distinguishes two states of a record. `place` is the place in the queue of a waiting job."""

    version: int
    state: State
    place: QueuePosition | None


@dataclass(frozen=True)
class JobSnapshot:
    """A record as it is in Redis; `JobReader.parse` parses its `fields`."""

    id: str
    version: JobVersion
    fields: dict[bytes, bytes]


@dataclass(frozen=True)
class Event:
    """One event of a job. Ids grow with time, also over restarts of Redis."""

    id: int
    data: dict[str, Any]


@dataclass(frozen=True)
class UpcomingPlace:
    """The queue as new jobs would find it: its load, the jobs before the first and before the last of them, and times.

    The new jobs themselves do not count. `times` is None before the first finished video of the model. `running_s` are
    the seconds that running jobs have run.
    """

    load: Load
    before_first: int
    before_last: int
    times: RunTimeModel | None
    running_s: tuple[float, ...] = ()


class JobReader:
    """Reads of jobs, queues and models; `batcher` sends the most frequent commands."""

    def __init__(self, redis: Redis, batcher: CommandBatcher | None = None) -> None:
        self.redis = redis
        self._batcher = batcher or CommandBatcher(redis)
        self._loads: dict[str, tuple[float, Load]] = {}  # by model, with the time until which it is valid

    async def get_owned(self, job_id: str, owner: str) -> Job:
        """The job with this id if this caller owns it. Raises JobNotFound, RecordUnreadable."""
        return await self._parsed(job_id, await self._fields(job_id, owner))

    async def get(self, job_id: str) -> Job:
        """The job with this id, of any caller. Raises JobNotFound, RecordUnreadable."""
        return await self._parsed(job_id, await self._fields(job_id, None))

    async def snapshot(self, job_id: str, owner: str) -> JobSnapshot:
        """The unparsed record of a job if this caller owns it. Raises JobNotFound, RecordUnreadable."""
        fields = await self._fields(job_id, owner)
        try:
            version, state = int(fields.get(b"version", 0)), to_member(State, json.loads(fields[b"state"]))
            priority = to_member(Priority, json.loads(fields.get(b"priority", _NORMAL)))
            model = json.loads(fields[b"request"])["model"] if state is State.QUEUED else ""
        except (ValueError, TypeError, KeyError) as error:
            raise await self._unreadable("job", job_id, error) from error
        place = await self._place(model, priority, job_id) if model else None
        return JobSnapshot(job_id, JobVersion(version, state, place), fields)

    async def parse(self, snapshot: JobSnapshot) -> Job:
        """The whole record. Raises RecordUnreadable."""
        return await self._parsed(snapshot.id, snapshot.fields)

    async def place(self, job: Job) -> QueuePosition | None:
        """The place of the job in its queue; None if it does not wait."""
        if job.state is not State.QUEUED:
            return None
        return await self._place(job.request.model, job.priority, job.id)

    async def models(self) -> list[str]:
        """The names of all announced models."""
        with redis_errors():
            names = await cast(Awaitable[list[bytes]], self.redis.hkeys(CARDS_KEY))
        return sorted(readable_names(names))

    async def load(self, model: str) -> Load:
        """The load of a model, at most `LOAD_CACHE_S` old."""
        valid_until, load = self._loads.get(model, (0.0, None))
        if load is None or valid_until < time.monotonic():
            load = await self.current_load(model)
            self._loads[model] = time.monotonic() + LOAD_CACHE_S, load
        return load

    async def queue_for(self, model: str, owner: str, priority: Priority, count: int) -> UpcomingPlace:
        """What `count` new jobs of this caller would find in the queue of a model."""

        def put(pipe: Pipeline) -> None:
            pipe.eval(*load_command(model))
            pipe.eval(*next_positions_command(model, owner, priority, count))
            pipe.lrange(*run_times_range(model))
            pipe.smembers(running_key(model))
            pipe.time()

        with redis_errors():
            load, (first, last), times, running, (seconds, _) = await self._batcher.pipeline(put)
        running_s = await self._running_s(readable_names(running)[:MAX_RUNNING], float(seconds))
        return UpcomingPlace(Load.parsed(load), first, last, fit_run_times(parse_run_times(times)), running_s)

    async def _running_s(self, ids: Sequence[str], now: float) -> tuple[float, ...]:
        """The seconds since the start of these running jobs, of those that can be read. `now` in unix seconds."""

        def put(pipe: Pipeline) -> None:
            for job_id in ids:
                pipe.hget(keys.record_key(job_id), "started_at")

        with redis_errors():
            rows = await self._batcher.pipeline(put) if ids else ()
        since = []
        for row in rows:
            with suppress(ValueError, TypeError):
                since.append(max(0.0, now - float(row)))
        return tuple(since)

    async def current_load(self, model: str) -> Load:
        """The load of a model now."""
        with redis_errors():
            return Load.parsed(await self._batcher.execute("EVAL", *load_command(model)))

    async def attempts(self, job_id: str) -> list[Attempt]:
        """Every attempt at the job, in order."""
        with redis_errors():
            rows = await self.redis.xrange(keys.attempts_key(job_id))
        faults: list[Exception] = []
        attempts = parse_lines(cast(StreamRows, rows), faults)
        if faults:
            await self._unreadable("attempt_log", job_id, faults[0])
        return attempts

    async def events(self, job_id: str, after: int) -> list[Event]:
        """The events of the job after the event id `after`; 0 for all. None of a log of another type."""
        begin = f"({after // SEQUENCE}-{after % SEQUENCE}" if after else "-"
        try:
            with redis_errors():
                async with self.redis.pipeline(transaction=True) as pipe:
                    pipe.xrange(keys.events_key(job_id), begin)
                    pipe.hget(keys.record_key(job_id), "created_at")
                    rows, created_at = await pipe.execute()
        except RecordUnreadable as error:
            await self._unreadable("event_log", job_id, error)
            return []
        return await self._parsed_events(job_id, rows, created_at, after)

    async def _parsed_events(self, job_id: str, rows: StreamRows, created_at: bytes | None, after: int) -> list[Event]:
        events = []
        for raw, fields in rows:
            try:
                events.append(Event(_event_id(raw), dict(json.loads(fields[b"event"]))))
            except (ValueError, TypeError, KeyError) as error:
                await self._unreadable("event_log", job_id, error)
        if not rows and created_at is not None:  # a waiting job has no stream yet
            first = Event(int(float(created_at) * 1000) * SEQUENCE + 1, {"state": State.QUEUED})
            events = [first] if first.id > after else []
        return events

    async def page(self, owner: str, query: ListQuery) -> Page:
        """The caller's jobs by time of creation; jobs created or deleted between two pages do no harm.

        Jobs that cannot be read are left out; a page without any other is not returned before the last one. A cursor
        stays valid for a day after its job is deleted. Raises JobNotFound for an unknown cursor.
        """
        while True:
            ids = await list_ids(self.redis, owner, query)
            jobs = [job for job in await self._listed(ids[: query.limit]) if job]
            has_more = len(ids) > query.limit
            if jobs or not has_more:
                return Page(jobs, has_more)
            query = replace(query, after=ids[query.limit - 1])

    async def _listed(self, ids: Sequence[str]) -> list[Job | None]:
        with redis_errors():
            async with self.redis.pipeline(transaction=False) as pipe:
                for job_id in ids:
                    pipe.hgetall(keys.record_key(job_id))
                replies = await pipe.execute(raise_on_error=False)
        return [await self._readable(job_id, reply) for job_id, reply in zip(ids, replies, strict=True)]

    async def _readable(self, job_id: str, reply: Any) -> Job | None:
        """The job in this reply; None if it was deleted meanwhile, or cannot be read."""
        try:
            with redis_errors():
                fields = hash_reply(reply)
            return parse_record(job_id, fields) if fields else None
        except RecordUnreadable as error:
            await self._unreadable("job", job_id, error)
            return None

    async def _parsed(self, job_id: str, fields: dict[bytes, bytes]) -> Job:
        try:
            return parse_record(job_id, fields)
        except RecordUnreadable as error:
            raise await self._unreadable("job", job_id, error) from error

    async def _unreadable(self, kind: str, name: str, error: Exception) -> RecordUnreadable:
        """Reports an unreadable value; returns the error for its owner."""
        with redis_errors():
            if await self._batcher.execute("EVAL", *report_command(kind, name)):
                log_unreadable(kind, name, error)
        return RecordUnreadable.named(name)

    async def _fields(self, job_id: str, owner: str | None) -> dict[bytes, bytes]:
        if ":" in job_id:  # the key of a log or list of a job, not of a record
            raise JobNotFound(f"there is no video {job_id!r}")
        with redis_errors():
            try:
                with reads_hash():
                    fields: dict[bytes, bytes] = await self._batcher.execute("HGETALL", keys.record_key(job_id))
                if fields and owner in (None, json.loads(fields[b"owner"])):
                    return fields
            except (ValueError, KeyError, RecordUnreadable) as error:
                if owner is None or await self.redis.zscore(keys.index_key(owner), job_id) is not None:
                    raise await self._unreadable("job", job_id, error) from error
        raise JobNotFound(f"there is no video {job_id!r}")

    async def _place(self, model: str, priority: Priority, job_id: str) -> QueuePosition | None:
        with redis_errors():
            return parse_position(await self._batcher.execute("EVAL", *position_command(model, priority, job_id)))


def _event_id(stream_id: bytes) -> int:
    milliseconds, _, count = stream_id.partition(b"-")
    return int(milliseconds) * SEQUENCE + int(count)
