"""Notifications of changed jobs: what happens while Redis is away."""

import asyncio
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis import Redis

from jobs.queue.notifications import JobNotifications
from jobs.redis.connection import connect_async
from jobs.redis.keys import change_channel
from tests.faults.tcp_proxy import Mode, TcpProxy

NUM_JOBS = 50


def num_calls(redis: Redis) -> int:
    """The subscribe and unsubscribe commands that the server has executed."""
    statistics = redis.info("commandstats")
    return sum(statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("subscribe", "unsubscribe"))


async def outage(redis: Redis, url: str, proxy: TcpProxy) -> tuple[int, float]:
    """The commands after an outage with many short waits, and the seconds until a notification of a later wait."""
    client = connect_async(url, retries=0)
    notifications = JobNotifications(client)

    async def wait_shortly(number: int) -> None:
        async with notifications.subscribe(f"job-{number}"):
            pass

    async with notifications.subscribe("first"):
        proxy.inject(Mode.CUT)
        await asyncio.gather(*(wait_shortly(number) for number in range(NUM_JOBS)))
        before = num_calls(redis)
        proxy.repair()
    loop = asyncio.get_running_loop()
    async with notifications.subscribe("last") as subscription:
        await asyncio.sleep(1.5)  # the connection is new
        started = loop.time()
        redis.publish(change_channel("last"), b"")
        await subscription.wait(5)
        seconds = loop.time() - started
    calls = num_calls(redis) - before
    await notifications.close()
    await client.aclose()
    return calls, seconds


@pytest.mark.filterwarnings("ignore:.*StreamWriter:pytest.PytestUnraisableExceptionWarning")  # of the client
def test_waits_during_an_outage_leave_no_commands_behind(redis: Redis, redis_url: str) -> None:
    parts = urlsplit(redis_url)
    proxy = TcpProxy(parts.port or 6379)
    try:
        url = urlunsplit(parts._replace(netloc=f"{parts.hostname}:{proxy.port}"))
        calls, seconds = asyncio.run(outage(redis, url, proxy))
    finally:
        proxy.close()
    assert calls < 10
    assert seconds < 5


def test_an_unexpected_error_does_not_end_the_notifications(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> bool:
        client = connect_async(redis_url, retries=0)
        notifications = JobNotifications(client)
        pubsub, failures = client.pubsub, iter([RuntimeError("a fault of the client")])

        def fail_once() -> object:
            for failure in failures:
                raise failure
            return pubsub()

        monkeypatch.setattr(client, "pubsub", fail_once)
        async with notifications.subscribe("job") as subscription:
            await asyncio.sleep(1.5)
            await subscription.wait(0.1)  # that of the new connection
            redis.publish(change_channel("job"), b"")
            loop = asyncio.get_running_loop()
            started = loop.time()
            await subscription.wait(8)
            is_notified = loop.time() - started < 8
        await notifications.close()
        await client.aclose()
        return is_notified

    assert asyncio.run(work())
