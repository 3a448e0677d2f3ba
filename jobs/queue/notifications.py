"""Notifies waiting requests of changes of jobs, by one connection to Redis for the process.

A notification says only that a job has changed; its receiver reads the record. Notifications may be lost while Redis is
away: after a new connection all subscriptions are notified.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from jobs.redis.keys import change_channel

log = structlog.get_logger()

POLL_INTERVAL_S = 10.0  # a receiver reads the record this often without any notification
SUBSCRIBE_TIMEOUT_S = 1.0
PING_AFTER_S = 10.0  # without a message
RECONNECT_PAUSE_S = 0.5
CANCEL_INTERVAL_S = 0.2
IDLE_CHANNEL = "jobs:news"  # keeps the connection subscribed; no message is published there


class Subscription:
    """Is notified when its job changes."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Ends the wait."""
        self._changed.set()

    async def wait(self, timeout_s: float) -> None:
        """Waits for a notification since the last wait, at most `timeout_s`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        self._changed.clear()


class _Channel:
    """The subscriptions to one job, and whether Redis has confirmed the channel."""

    def __init__(self) -> None:
        self.subscriptions: set[Subscription] = set()
        self.confirmed = asyncio.Event()


class JobNotifications:
    """The subscriptions of one event loop."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._channels: dict[str, _Channel] = {}
        self._changed: asyncio.Queue[str] = asyncio.Queue()  # channels to subscribe to or to leave
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Number of subscriptions."""
        return sum(len(channel.subscriptions) for channel in self._channels.values())

    @asynccontextmanager
    async def subscribe(self, job_id: str) -> AsyncIterator[Subscription]:
        """A subscription that is notified of every change of the job from now on."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="notifications")
        name, subscription = change_channel(job_id), Subscription()
        channel = self._channels.setdefault(name, _Channel())
        channel.subscriptions.add(subscription)
        try:
            if len(channel.subscriptions) == 1:
                self._changed.put_nowait(name)
            with suppress(TimeoutError):  # without a confirmation the receiver still reads now and then
                await asyncio.wait_for(channel.confirmed.wait(), SUBSCRIBE_TIMEOUT_S)
            yield subscription
        finally:
            channel.subscriptions.discard(subscription)
            if not channel.subscriptions and self._channels.get(name) is channel:
                del self._channels[name]
                self._changed.put_nowait(name)

    def notify_all(self) -> None:
        """Notifies all subscriptions."""
        for channel in self._channels.values():
            _notify(channel)

    async def close(self) -> None:
        """Closes the connection and notifies all subscriptions."""
        if self._task is not None:
            await _end([self._task])
        self.notify_all()

    async def _run(self) -> None:
        while True:
            try:
                async with self.redis.pubsub() as pubsub:
                    self._changed = asyncio.Queue()  # the next call subscribes to all channels
                    await pubsub.subscribe(IDLE_CHANNEL, *self._channels)
                    self.notify_all()
                    await self._serve(pubsub)
            except (RedisError, OSError):
                log.warning("redis.away")
            except Exception:  # an error of the client must not end the notifications
                log.exception("notifications.failed")
            for channel in self._channels.values():
                channel.confirmed.clear()
            await asyncio.sleep(RECONNECT_PAUSE_S)

    async def _serve(self, pubsub: PubSub) -> None:
        """Sends and receives until the connection is lost. Raises the first error."""
        tasks = [asyncio.create_task(work(pubsub)) for work in (self._send, self._receive)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(tasks)
        done.pop().result()

    async def _send(self, pubsub: PubSub) -> None:
        """Subscribes to the channels that have subscriptions, and leaves the others."""
        while True:
            name = await self._changed.get()
            await (pubsub.subscribe(name) if name in self._channels else pubsub.unsubscribe(name))

    async def _receive(self, pubsub: PubSub) -> None:
        """Passes on notifications. Raises RedisError when the connection is lost or silent after a ping."""
        has_pinged = False
        while True:
            message = await pubsub.get_message(timeout=PING_AFTER_S)
            if message is None:
                if has_pinged:
                    raise RedisError("the connection for notifications is dead")
                await pubsub.ping()
            has_pinged = message is None
            channel = self._channels.get(message["channel"].decode()) if message and message["channel"] else None
            if message is None or channel is None:
                continue
            if message["type"] == "message" or channel.confirmed.is_set():  # subscribed again: the connection was lost
                _notify(channel)
            if message["type"] == "subscribe":
                channel.confirmed.set()


def _notify(channel: _Channel) -> None:
    for subscription in channel.subscriptions:
        subscription.notify()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels tasks until they have ended. Until Python 3.12, `wait_for` in the client can suppress a cancellation."""
    while any(not task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CANCEL_INTERVAL_S)
    await asyncio.gather(*tasks, return_exceptions=True)
