"""The clock of Redis without a command for each reading."""

import asyncio
import time

import pytest
from redis import Redis

from jobs.redis.clock import RedisClock
from jobs.redis.connection import connect_async


def test_the_estimate_is_the_time_of_redis_after_a_synchronization(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 5.0)  # the clock of this host is wrong

    async def estimates() -> tuple[float, float]:
        async with connect_async(redis_url, retries=1) as client:
            clock = RedisClock(client)
            before = clock.estimate()
            await clock.now()
            return before, clock.estimate()

    before, after = asyncio.run(estimates())
    assert before == 5.0
    assert after == pytest.approx(redis.time()[0], abs=30.0)
