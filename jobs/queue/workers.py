"""The workers of an installation, by name: each announces what it does, and gets the requests of operators to drain.

`jobs/queue/registry.py` counts the workers of a model; here each has its own entry. A worker that ends in order removes
its entry. That of a lost one stays for some time, so that an operator sees it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, cast

from redis import Redis

from jobs.errors import RecordUnreadable, WorkerNotFound
from jobs.model.states import IdleReason
from jobs.model.stored import KeepsUnknown, StoredModel, parse_stored
from jobs.queue.registry import WORKER_TTL_S
from jobs.queue.wakeup import wake_worker
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import readable_names, readable_reply, report_unreadable

LOST_FOR_S = 3600  # how long a lost worker is listed
DRAIN_ANSWER_S = 15.0  # a live worker answers a request within some seconds
DRAIN_TTL_S = 86_400

# KEYS: the entries, their expiry. ARGV: worker, entry as JSON, seconds until it counts as lost, seconds until it is
# removed then.
_ANNOUNCE = """
local now = redis.call('TIME')[1]
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
for _, lost in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[4], 'LIMIT', 0, 100)) do
  redis.call('HDEL', KEYS[1], lost)
  redis.call('ZREM', KEYS[2], lost)
end
"""


class WorkerEntry(StoredModel, frozen=True):
    """What a worker announces. Times are unix seconds.

    `reason` is why it takes no jobs. `drain_ends_at` is when a drain releases the running job.
    """

    name: str
    host: str
    pid: int
    version: str
    started_at: float
    models: tuple[str, ...]
    loaded_models: tuple[str, ...] = ()
    reason: Annotated[IdleReason, KeepsUnknown()] | None = None
    job_id: str | None = None
    drain_ends_at: float | None = None


class WorkerState(StrEnum):
    """What a worker does. `unknown`: its release announces no entry, or one that this release cannot read."""

    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    LOST = "lost"
    ENDED = "ended"
    UNKNOWN = "unknown"


class DrainState(StrEnum):
    """How far a request to drain is; `unanswered` by a worker that does not begin its drain."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    UNANSWERED = "unanswered"
    ENDED = "ended"


@dataclass(frozen=True)
class WorkerStatus:
    """A worker as an operator sees it at `now`. Times are unix seconds.

    `expires_at` is when it counts as lost; None if it has ended. `entry` is None if there is none that can be read.
    """

    name: str
    now: float
    expires_at: float | None = None
    entry: WorkerEntry | None = None
    drain_requested_at: float | None = None

    @property
    def state(self) -> WorkerState:
        """What the worker does."""
        if self.expires_at is None:
            return WorkerState.ENDED
        if self.expires_at <= self.now:
            return WorkerState.LOST
        if self.entry is None:
            return WorkerState.UNKNOWN
        if self.entry.reason is IdleReason.DRAINING:
            return WorkerState.DRAINING
        return WorkerState.BUSY if self.entry.job_id else WorkerState.IDLE

    @property
    def drain_state(self) -> DrainState | None:
        """How far the request to drain is; None without a request."""
        if self.drain_requested_at is None:
            return None
        if self.state in (WorkerState.ENDED, WorkerState.DRAINING):
            return DrainState.ENDED if self.state is WorkerState.ENDED else DrainState.ACCEPTED
        is_late = self.now - self.drain_requested_at > DRAIN_ANSWER_S
        return DrainState.UNANSWERED if is_late or self.state is WorkerState.LOST else DrainState.REQUESTED

    @property
    def announced_at(self) -> float | None:
        """When the worker announced itself last."""
        return None if self.expires_at is None else self.expires_at - WORKER_TTL_S


class WorkerDirectory:
    """The workers of this installation. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def announce(self, entry: WorkerEntry) -> None:
        """Records what a worker does. Repeat it within `WORKER_TTL_S`."""
        arguments = [entry.name, entry.model_dump_json(), WORKER_TTL_S, LOST_FOR_S]
        with redis_errors():
            self.redis.eval(_ANNOUNCE, 2, keys.WORKERS_KEY, keys.WORKERS_EXPIRY_KEY, *map(str, arguments))

    def withdraw(self, name: str) -> None:
        """Removes the entry of a worker that ends."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.WORKERS_KEY, name)
            pipe.zrem(keys.WORKERS_EXPIRY_KEY, name)
            pipe.execute()

    def all(self) -> list[WorkerStatus]:
        """All workers that have not ended, also lost ones and those of releases without entries, by name."""
        with redis_errors():
            models = readable_names(cast(list[bytes], self.redis.hkeys(keys.CARDS_KEY)))
            with self.redis.pipeline(transaction=True) as pipe:
                pipe.time()
                pipe.hgetall(keys.WORKERS_KEY)
                for key in (keys.WORKERS_EXPIRY_KEY, *map(keys.workers_key, models)):
                    pipe.zrange(key, 0, -1, withscores=True)
                (seconds, _), rows, *replies = pipe.execute(raise_on_error=False)
        rows = readable_reply(self.redis, "workers", "entries", rows, {})
        expiries = [
            readable_reply(self.redis, "queue", name, reply, [])
            for name, reply in zip(("all workers", *models), replies, strict=True)
        ]
        expires_at = {name: at for name, at in _latest(expiries).items() if at > seconds - LOST_FOR_S}
        drains = self._drains(expires_at)
        return [
            WorkerStatus(name, seconds, expires_at[name], self._entry(name, rows), drains[name])
            for name in sorted(expires_at)
        ]

    def get(self, name: str) -> WorkerStatus:
        """One worker, also one that has ended after a request to drain. Raises WorkerNotFound."""
        for status in self.all():
            if status.name == name:
                return status
        with redis_errors():
            requested_at, (seconds, _) = self._drains([name])[name], self.redis.time()
        if requested_at is None:
            raise WorkerNotFound(f"there is no worker {name[:100]!r}; GET /v1/admin/workers lists them")
        return WorkerStatus(name, seconds, drain_requested_at=requested_at)

    def request_drain(self, name: str) -> WorkerStatus:
        """Requests a worker to drain as after SIGTERM; a repeat changes nothing. Raises WorkerNotFound."""
        status = self.get(name)
        if status.expires_at is None:
            return status
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.set(keys.drain_key(name), str(status.now), ex=DRAIN_TTL_S, nx=True)
            wake_worker(pipe, name)
            pipe.execute()
        return self.get(name)

    def is_drain_requested(self, name: str) -> bool:
        """Whether an operator has requested this worker to drain."""
        with redis_errors():
            return bool(self.redis.exists(keys.drain_key(name)))

    def _drains(self, names: Iterable[str]) -> dict[str, float | None]:
        """The unix second of the request to drain, for each of these workers."""
        names = list(names)
        with redis_errors():
            rows = cast(list[bytes | None], self.redis.mget(map(keys.drain_key, names))) if names else []
        return {name: _number(row) for name, row in zip(names, rows, strict=True)}

    def _entry(self, name: str, rows: Mapping[bytes, bytes]) -> WorkerEntry | None:
        row = rows.get(name.encode())
        try:
            return None if row is None else parse_stored(WorkerEntry, row)
        except RecordUnreadable as error:
            report_unreadable(self.redis, "worker", name, error)
            return None


def _latest(expiries: Iterable[list[tuple[bytes, float]]]) -> dict[str, float]:
    """The latest expiry of each name."""
    latest: dict[str, float] = {}
    for rows in expiries:
        scores: dict[Any, float] = dict(rows)
        for name in readable_names(list(scores)):
            latest[name] = max(latest.get(name, 0.0), scores[name.encode()])
    return latest


def _number(row: bytes | None) -> float | None:
    try:
        return None if row is None else float(row)
    except ValueError:
        return 0.0
