"""What a Redis server promises for a write that it has answered, and waiting until a write is on its disk.

A server with an append-only file answers a write before the file is on disk, unless `appendfsync` is `always`. WAITAOF
(Redis 7.2, Valkey) waits for the disk. See docs/decisions/0042-durable-submits.md.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobs.errors import ChangeNotDurable, NotDurable
from jobs.redis.connection import redis_errors
from jobs.redis.keys import BARRIER_KEY
from jobs.redis.refusals import REFUSALS

GATHER_S = 0.02  # requests that arrive within this time wait for the disk together
BARRIER_TTL_MS = 60_000
PROMISES = {
    "": "it has no append-only file: a restart loses accepted jobs",
    "always": "accepted jobs survive a power cut",
    "everysec": "a power cut, or a crash of Redis on a busy disk, loses the last two seconds of accepted jobs",
    "no": "a power cut, or a crash of Redis, loses half a minute of accepted jobs",
}
PROMISE_OF_DISK = "accepted jobs survive a power cut: each answer waits for the disk"
MIN_VERSION = (7, 2)  # of WAITAOF
CANNOT_WAIT = "EASYANIMATE_DURABLE_SUBMIT=disk needs Redis 7.2 or newer, or Valkey"
UNKNOWN_PROMISE = "a power cut may lose the last accepted jobs; appendfsync cannot be read"


@dataclass(frozen=True)
class _OnDisk:
    """The result of a wait: the keys that exist, and the run of the server that wrote them."""

    existing: frozenset[str]
    server_run: str


class _Round:
    """Requests that wait for the disk together."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.result: asyncio.Future[_OnDisk | Exception] = asyncio.get_running_loop().create_future()

    def end(self, _: object) -> None:
        """Ends the wait of a round that was cancelled."""
        if not self.result.done():
            self.result.set_result(NotDurable())


class DiskBarrier:
    """Waits until Redis has written its append-only file to disk, for one event loop.

    The connection of a wait writes a key of its own first: WAITAOF waits for all that the server wrote before. A wait
    may be repeated on another connection, so `redis` may retry.
    """

    def __init__(self, redis: AsyncRedis, timeout_s: float) -> None:
        self.redis = redis
        self.timeout_s = timeout_s
        self._open: _Round | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # references, so that no task is garbage collected

    async def wait(self, record_keys: Collection[str]) -> None:
        """Waits until these keys, which were written before, are on disk.

        Raises NotDurable if that takes longer than `timeout_s`, if the server cannot wait, or if a key is gone: then
        the server was restarted without it, or the key was deleted.
        """
        result = await self._next_round(record_keys)
        if isinstance(result, Exception):
            raise NotDurable from result
        if not result.existing.issuperset(record_keys):
            raise NotDurable

    async def server_run(self) -> str:
        """The id of the current run of the server; another one after each restart. Raises QueueUnavailable."""
        with redis_errors():
            try:
                async with asyncio.timeout(self.timeout_s):  # a silent connection sends no reply
                    return _run_of(await self.redis.info("server"))
            except TimeoutError as error:
                raise RedisTimeoutError("Redis does not reply") from error

    async def wait_for_changes(self, server_run: str) -> None:
        """Waits until all changes since `server_run` was read are on disk, also deletions.

        Raises ChangeNotDurable as `wait`, and if another run of the server answers: it may have lost the changes.
        """
        result = await self._next_round(())
        if isinstance(result, Exception):
            raise ChangeNotDurable from result
        if not server_run or result.server_run != server_run:
            raise ChangeNotDurable

    async def close(self) -> None:
        """Cancels the waits under way, and closes the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.redis.aclose()

    async def _next_round(self, record_keys: Collection[str]) -> _OnDisk | Exception:
        if (current := self._open) is None:
            current = self._open = _Round()
            task = asyncio.create_task(self._run(current), name="disk barrier")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(current.end)
        current.keys.extend(record_keys)
        return await asyncio.shield(current.result)

    async def _run(self, current: _Round) -> None:
        await asyncio.sleep(GATHER_S)
        self._open = None
        try:
            async with asyncio.timeout(self.timeout_s + 1.0):  # a silent connection sends no reply
                current.result.set_result(await self._on_disk(current.keys))
        except (RedisError, OSError, TimeoutError) as error:
            REFUSALS.write(error)
            current.result.set_result(error)

    async def _on_disk(self, record_keys: list[str]) -> _OnDisk:
        """The state of the server after its disk has all earlier writes. Raises RedisError, TimeoutError."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.set(BARRIER_KEY, b"", px=BARRIER_TTL_MS)
            for key in record_keys:
                pipe.exists(key)
            pipe.info("server")
            pipe.execute_command("WAITAOF", 1, 0, round(1000 * self.timeout_s))
            first, *counts, info, waited = await pipe.execute(raise_on_error=False)
        for reply in (first, *counts, waited):
            if isinstance(reply, Exception):
                raise reply
        if not waited[0]:
            raise TimeoutError("Redis has not written to its disk in time")
        existing = frozenset(key for key, count in zip(record_keys, counts, strict=True) if count)
        return _OnDisk(existing, _run_of(info))


def _run_of(info: Mapping[str, Any] | Exception) -> str:
    """The id of a run in a reply to INFO; empty where the server refuses or hides it."""
    return "" if isinstance(info, Exception) else str(info.get("run_id", ""))


def wait_for_disk(redis: Redis, timeout_s: float) -> bool:
    """Whether all that Redis wrote is on disk within `timeout_s`. Raises RedisError if the server cannot wait."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.set(BARRIER_KEY, b"", px=BARRIER_TTL_MS)
        pipe.execute_command("WAITAOF", 1, 0, round(1000 * timeout_s))  # type: ignore[no-untyped-call]
        _, (on_disk, _) = pipe.execute()
    return bool(on_disk)


def durability_promise(redis: Redis, *, on_disk: bool) -> str:
    """The sentence about accepted jobs and power cuts, for the log and the doctor. Raises RedisError."""
    info = cast(Mapping[str, Any], redis.info())
    if not info.get("aof_enabled"):
        return PROMISES[""]
    if on_disk:
        return PROMISE_OF_DISK
    promise = UNKNOWN_PROMISE
    with suppress(RedisError):
        policy = cast(dict[str, str], redis.config_get("appendfsync")).get("appendfsync", "unknown")
        promise = PROMISES.get(policy, UNKNOWN_PROMISE)
    return promise if server_version(info) >= MIN_VERSION else f"{promise}; {CANNOT_WAIT}"


def server_version(info: Mapping[str, Any]) -> tuple[int, ...]:
    """Major and minor version in a reply to INFO."""
    parts = str(info.get("redis_version", "0")).split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())
