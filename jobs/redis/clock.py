"""The clock of Redis, which all hosts share, without a command for each reading."""

import asyncio
import time

from redis.asyncio import Redis

from jobs.redis.connection import redis_errors

SYNC_INTERVAL_S = 10.0  # two clocks drift apart by less than a millisecond in this time


class RedisClock:
    """Derives the time of Redis from the local clock and their last difference. It never goes back.

    Its error is half of the round trip of the last synchronization, about a millisecond.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._offset_s = 0.0
        self._synced_at = -SYNC_INTERVAL_S
        self._last = 0.0
        self._lock = asyncio.Lock()

    async def now(self) -> float:
        """Unix seconds. Raises QueueUnavailable."""
        if self._is_stale():
            async with self._lock:
                if self._is_stale():  # no other task has synchronized meanwhile
                    await self._sync()
        self._last = max(self._last, time.monotonic() + self._offset_s)
        return self._last

    def estimate(self) -> float:
        """Unix seconds without a command: since the last synchronization; before the first one by the local clock."""
        return time.time() if self._synced_at < 0 else time.monotonic() + self._offset_s

    def _is_stale(self) -> bool:
        return time.monotonic() - self._synced_at >= SYNC_INTERVAL_S

    async def _sync(self) -> None:
        with redis_errors():
            before = time.monotonic()
            seconds, microseconds = await self.redis.time()
        self._synced_at = time.monotonic()
        self._offset_s = seconds + microseconds / 1e6 - (before + self._synced_at) / 2
