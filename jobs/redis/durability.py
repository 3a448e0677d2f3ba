"""What a Redis server promises for a write that it has answered, and waiting until a write is on its disk.

A server with an append-only file answers a write before the file is on disk, unless `appendfsync` is `always`. WAITAOF
(Redis 7.2, Valkey) waits for the disk. See docs/decisions/0042-durable-submits.md.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from jobs.errors import NotDurable
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


class _Round:
    """Requests that wait for the disk together."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.existing: asyncio.Future[set[str] | Exception] = asyncio.get_running_loop().create_future()

    def end(self, _: object) -> None:
        """Ends the wait of a round that was cancelled."""
        if not self.existing.done():
            self.existing.set_result(NotDurable())


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
        if (current := self._open) is None:
            current = self._open = _Round()
            task = asyncio.create_task(self._run(current), name="disk barrier")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(current.end)
        current.keys.extend(record_keys)
        existing = await asyncio.shield(current.existing)
        if isinstance(existing, Exception):
            raise NotDurable from existing
        if not existing.issuperset(record_keys):
            raise NotDurable

    async def close(self) -> None:
        """Cancels the waits under way, and closes the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.redis.aclose()

    async def _run(self, current: _Round) -> None:
        await asyncio.sleep(GATHER_S)
        self._open = None
        try:
            async with asyncio.timeout(self.timeout_s + 1.0):  # a silent connection sends no reply
                current.existing.set_result(await self._existing(current.keys))
        except (RedisError, OSError, TimeoutError) as error:
            REFUSALS.write(error)
            current.existing.set_result(error)

    async def _existing(self, record_keys: list[str]) -> set[str]:
        """Those of the keys that exist, after the disk has them. Raises RedisError, TimeoutError."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.set(BARRIER_KEY, b"", px=BARRIER_TTL_MS)
            for key in record_keys:
                pipe.exists(key)
            pipe.execute_command("WAITAOF", 1, 0, round(1000 * self.timeout_s))
            _, *counts, (on_disk, _) = await pipe.execute()
        if not on_disk:
            raise TimeoutError("Redis has not written to its disk in time")
        return {key for key, count in zip(record_keys, counts, strict=True) if count}


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
