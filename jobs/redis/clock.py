"""The time that all hosts share, the one of Redis, without asking it each time."""

import asyncio
import time

from redis.asyncio import Redis

from jobs.redis.connection import redis_errors

GOOD_FOR_S = 10.0  # clocks drift apart by less than a millisecond meanwhile


class RedisClock:
    """Tells the time of Redis by our own clock and how far the two were apart at the last look. Never goes back.

    Wrong by half of what that look took, a millisecond or so where this machine is busy.
    """

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._ahead_s = 0.0
        self._looked_at = -GOOD_FOR_S
        self._last = 0.0
        self._looks = asyncio.Lock()

    async def now(self) -> float:
        """Unix seconds. May raise QueueUnavailable."""
        if self._is_old():
            async with self._looks:
                if self._is_old():  # nobody else has looked meanwhile
                    await self._look()
        self._last = max(self._last, time.monotonic() + self._ahead_s)
        return self._last

    def _is_old(self) -> bool:
        return time.monotonic() - self._looked_at >= GOOD_FOR_S

    async def _look(self) -> None:
        with redis_errors():
            before = time.monotonic()
            seconds, microseconds = await self.redis.time()
        self._looked_at = time.monotonic()
        self._ahead_s = seconds + microseconds / 1e6 - (before + self._looked_at) / 2
