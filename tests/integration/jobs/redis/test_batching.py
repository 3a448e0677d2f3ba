"""Questions that come together go to Redis together, and nobody pays for another's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from jobs.redis.batching import CommandBatcher
from jobs.redis.connection import connect_async
from tests.conftest import free_port


def with_trips(url: str, work: Callable[[CommandBatcher, Redis], Awaitable[None]]) -> None:
    async def run() -> None:
        redis = connect_async(url, retries=1, timeout_s=2)
        try:
            await asyncio.wait_for(work(CommandBatcher(redis), redis), 60)
        finally:
            await redis.aclose()

    asyncio.run(run())


def test_everybody_gets_the_own_answer_and_few_trips_are_made(redis_url: str) -> None:
    async def work(trips: CommandBatcher, redis: Redis) -> None:
        sent = 0
        answers = trips._replies

        async def counted(commands: list[tuple[Any, ...]]) -> list[Any]:
            nonlocal sent
            sent += 1
            return await answers(commands)

        trips._replies = counted  # type: ignore[method-assign]
        await redis.mset({f"key-{number}": number for number in range(50)})
        found = await asyncio.gather(*(trips.execute("GET", f"key-{number}") for number in range(50)))
        assert [int(each) for each in found] == list(range(50))
        assert sent == 1

    with_trips(redis_url, work)


def test_a_refused_question_fails_alone(redis_url: str) -> None:
    async def work(trips: CommandBatcher, redis: Redis) -> None:
        await redis.set("text", "a")
        one, other = await asyncio.gather(
            trips.execute("GET", "text"), trips.execute("HGETALL", "text"), return_exceptions=True
        )
        assert one == b"a"
        assert isinstance(other, ResponseError)
        with pytest.raises(ResponseError):
            await trips.execute("HGETALL", "text")
        assert await trips.execute("GET", "text") == b"a"

    with_trips(redis_url, work)


def test_who_is_gone_takes_nobody_along(redis_url: str) -> None:
    async def work(trips: CommandBatcher, redis: Redis) -> None:
        await redis.set("text", "a")
        leaving, staying = (asyncio.create_task(trips.execute("GET", "text")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == b"a"
        assert await trips.execute("GET", "text") == b"a"

    with_trips(redis_url, work)


def test_a_question_does_not_wait_for_a_slow_trip(redis_url: str) -> None:
    async def work(trips: CommandBatcher, redis: Redis) -> None:
        slow = asyncio.create_task(trips.execute("BLPOP", "nothing", 2))
        await asyncio.sleep(0.2)
        assert await trips.execute("GET", "nothing") is None
        assert not slow.done()
        await redis.rpush("nothing", "at last")
        assert (await slow)[1] == b"at last"

    with_trips(redis_url, work)


def test_without_redis_everybody_hears_of_it() -> None:
    async def work(trips: CommandBatcher, _: Redis) -> None:
        found = await asyncio.gather(*(trips.execute("GET", "a") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, RedisError) for each in found)

    with_trips(f"redis://127.0.0.1:{free_port()}/0", work)
