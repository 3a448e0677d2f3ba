"""Concurrent commands share a batch, and the error of one does not affect the others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from cli.stack.ports import free_port
from jobs.redis.batching import CommandBatcher
from jobs.redis.connection import connect_async
from tests.faults.tcp_proxy import Mode, TcpProxy


def with_batcher(url: str, work: Callable[[CommandBatcher, Redis], Awaitable[None]]) -> None:
    async def run() -> None:
        redis = connect_async(url, retries=1, timeout_s=120)
        try:
            await asyncio.wait_for(work(CommandBatcher(redis, 120), redis), 240)
        finally:
            await redis.aclose()

    asyncio.run(run())


def test_each_caller_gets_its_reply_from_one_batch(redis_url: str) -> None:
    async def work(batcher: CommandBatcher, redis: Redis) -> None:
        batches = 0
        replies = batcher._replies

        async def count_batches(commands: list[tuple[Any, ...]]) -> list[Any]:
            nonlocal batches
            batches += 1
            return await replies(commands)

        batcher._replies = count_batches  # type: ignore[method-assign]
        await redis.mset({f"key-{number}": number for number in range(50)})
        results = await asyncio.gather(*(batcher.execute("GET", f"key-{number}") for number in range(50)))
        assert [int(each) for each in results] == list(range(50))
        assert batches == 1

    with_batcher(redis_url, work)


def test_a_refused_command_fails_alone(redis_url: str) -> None:
    async def work(batcher: CommandBatcher, redis: Redis) -> None:
        await redis.set("text", "a")
        one, other = await asyncio.gather(
            batcher.execute("GET", "text"), batcher.execute("HGETALL", "text"), return_exceptions=True
        )
        assert one == b"a"
        assert isinstance(other, ResponseError)
        with pytest.raises(ResponseError):
            await batcher.execute("HGETALL", "text")
        assert await batcher.execute("GET", "text") == b"a"

    with_batcher(redis_url, work)


def test_a_cancelled_caller_does_not_affect_the_others(redis_url: str) -> None:
    async def work(batcher: CommandBatcher, redis: Redis) -> None:
        await redis.set("text", "a")
        leaving, staying = (asyncio.create_task(batcher.execute("GET", "text")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == b"a"
        assert await batcher.execute("GET", "text") == b"a"

    with_batcher(redis_url, work)


def test_a_command_does_not_wait_for_a_slow_batch(redis_url: str) -> None:
    async def work(batcher: CommandBatcher, redis: Redis) -> None:
        slow = asyncio.create_task(batcher.execute("BLPOP", "nothing", 120))
        await asyncio.sleep(0.2)
        assert await batcher.execute("GET", "nothing") is None
        assert not slow.done()
        await redis.rpush("nothing", "at last")
        assert (await slow)[1] == b"at last"

    with_batcher(redis_url, work)


def test_without_redis_each_caller_gets_an_error() -> None:
    async def work(batcher: CommandBatcher, _: Redis) -> None:
        results = await asyncio.gather(*(batcher.execute("GET", "a") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(each, RedisError) for each in results)

    with_batcher(f"redis://127.0.0.1:{free_port()}/0", work)


@pytest.fixture
def proxy(redis_url: str) -> Iterator[TcpProxy]:
    proxy = TcpProxy(int(redis_url.rpartition(":")[2].partition("/")[0]))
    yield proxy
    proxy.close()


def through(
    proxy: TcpProxy, tries: int, work: Callable[[CommandBatcher], Awaitable[None]], *, try_s: float = 0.3
) -> None:
    async def run() -> None:
        redis = connect_async(f"redis://127.0.0.1:{proxy.port}/0", retries=1, timeout_s=120, read_timeout=False)
        try:
            await asyncio.wait_for(work(CommandBatcher(redis, try_s * tries, tries=tries)), 240)
        finally:
            await redis.aclose()

    asyncio.run(run())


def open_then_kill(proxy: TcpProxy) -> None:
    """The open connections die silently; new ones work."""
    proxy.inject(Mode.SILENT)
    proxy.repair()


def test_a_caller_does_not_notice_connections_that_died_silently(proxy: TcpProxy) -> None:
    async def work(batcher: CommandBatcher) -> None:
        slow = [asyncio.create_task(batcher.redis.blpop(["nothing"], 0.2)) for _ in range(5)]
        await asyncio.gather(*slow)  # now the pool has several connections
        open_then_kill(proxy)
        for _ in range(3):
            assert await batcher.execute("GET", "nothing") is None

    through(proxy, 2, work, try_s=3.0)  # also a slow machine replies to the second try within that


def test_after_a_timeout_the_next_command_uses_a_new_connection(proxy: TcpProxy) -> None:
    async def work(batcher: CommandBatcher) -> None:
        await asyncio.gather(*(batcher.redis.blpop(["nothing"], 0.2) for _ in range(5)))
        open_then_kill(proxy)
        with pytest.raises(RedisError, match="has not replied"):
            await batcher.execute("GET", "nothing")
        batcher.timeout_s = 120.0
        assert await batcher.execute("GET", "nothing") is None

    through(proxy, 1, work)


def test_a_server_that_stays_silent_is_an_error_in_time(proxy: TcpProxy) -> None:
    async def work(batcher: CommandBatcher) -> None:
        proxy.inject(Mode.SILENT)
        with pytest.raises(RedisError, match=r"within 0\.6 s"):
            await batcher.execute("GET", "nothing")

    through(proxy, 2, work)
