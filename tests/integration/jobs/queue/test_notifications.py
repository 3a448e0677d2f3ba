"""Notifications of changed jobs: what happens while Redis is away."""

import asyncio
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis import Redis

from jobs.queue.notifications import JobNotifications, Subscription
from jobs.redis.connection import connect_async
from jobs.redis.keys import change_channel
from tests.faults.tcp_proxy import Mode, TcpProxy

NUM_JOBS = 50


def num_calls(redis: Redis) -> int:
    """The subscribe and unsubscribe commands that the server has executed."""
    statistics = redis.info("commandstats")
    return sum(statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("subscribe", "unsubscribe"))


async def notify(redis: Redis, subscription: Subscription, job_id: str) -> None:
    """Notifies as soon as the channel is subscribed to. It returns only after the notification has arrived."""
    channel = change_channel(job_id)
    async with asyncio.timeout(120):
        while not redis.pubsub_numsub(channel)[0][1]:
            await asyncio.sleep(0.02)
        await subscription.wait(0.1)  # that of the new connection
        redis.publish(channel, b"")
        await subscription.wait(3600)


async def outage(redis: Redis, url: str, proxy: TcpProxy) -> int:
    """The commands after an outage with many short waits; a later wait is notified."""
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
    async with notifications.subscribe("last") as subscription:
        await notify(redis, subscription, "last")
    calls = num_calls(redis) - before
    await notifications.close()
    await client.aclose()
    return calls


@pytest.mark.filterwarnings("ignore:.*StreamWriter:pytest.PytestUnraisableExceptionWarning")  # of the client
def test_waits_during_an_outage_leave_no_commands_behind(redis: Redis, redis_url: str) -> None:
    parts = urlsplit(redis_url)
    proxy = TcpProxy(parts.port or 6379)
    try:
        url = urlunsplit(parts._replace(netloc=f"{parts.hostname}:{proxy.port}"))
        calls = asyncio.run(outage(redis, url, proxy))
    finally:
        proxy.close()
    assert calls < 10


def test_an_unexpected_error_does_not_end_the_notifications(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        client = connect_async(redis_url, retries=0)
        notifications = JobNotifications(client)
        pubsub, failures = client.pubsub, iter([RuntimeError("a fault of the client")])

        def fail_once() -> object:
            for failure in failures:
                raise failure
            return pubsub()

        monkeypatch.setattr(client, "pubsub", fail_once)
        async with notifications.subscribe("job") as subscription:
            await notify(redis, subscription, "job")
        await notifications.close()
        await client.aclose()

    asyncio.run(work())
