"""Hearing that a job has changed: one connection to Redis for all who wait in this process, however many they are.

The news say only that there is something new; what it is, everybody reads in the record. News that were missed (Redis
was away, or restarted) are made good: when the connection is there again, everybody is told to look.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from jobs.redis.keys import change_channel

log = structlog.get_logger()

LOOK_AGAIN_S = 10.0  # without any news, for whoever wants to be sure
SUBSCRIBE_PATIENCE_S = 1.0
QUIET_S = 10.0  # of the connection, before it is asked whether it lives
PAUSE_S = 0.5  # while Redis is away
OWN_CHANNEL = "jobs:news"  # keeps the connection subscribed when nobody waits; nothing is said there


class Subscription:
    """Rings when the job it belongs to has changed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def notify(self) -> None:
        """Say that there is something new."""
        self._rung.set()

    async def wait(self, timeout_s: float) -> bool:
        """Until it has rung since the last wait, or for so long: whether it has."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), timeout_s)
        has_rung = self._rung.is_set()
        self._rung.clear()
        return has_rung


class _Channel:
    """Who waits for one job's news, and whether Redis knows that we want them."""

    def __init__(self) -> None:
        self.bells: set[Subscription] = set()
        self.confirmed = asyncio.Event()


class JobNotifications:
    """The news of all jobs, for whoever waits. Belongs to one event loop."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._channels: dict[str, _Channel] = {}
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None
        self._commands = asyncio.Lock()
        self._partings: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many are waiting right now."""
        return sum(len(channel.bells) for channel in self._channels.values())

    @asynccontextmanager
    async def of(self, job_id: str) -> AsyncIterator[Subscription]:
        """A bell that rings whenever the job changes after this point."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="news")
        name, bell = change_channel(job_id), Subscription()
        channel = self._channels.setdefault(name, _Channel())
        channel.bells.add(bell)
        try:
            await self._subscribe(name, channel)
            yield bell
        finally:
            channel.bells.discard(bell)
            if not channel.bells and self._channels.get(name) is channel:
                del self._channels[name]
                self._part(name)

    async def close(self) -> None:
        """Hang up; everybody who still waits is told to look."""
        tasks = [*self._partings, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.notify_all()

    async def _subscribe(self, name: str, channel: _Channel) -> None:
        """Until Redis confirms it; if it does not, whoever waits still looks by itself now and then."""
        if channel.confirmed.is_set():
            return
        if self._pubsub is not None and len(channel.bells) == 1:
            with contextlib.suppress(RedisError, OSError):
                async with self._commands:
                    await self._pubsub.subscribe(name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(channel.confirmed.wait(), SUBSCRIBE_PATIENCE_S)

    def _part(self, name: str) -> None:
        """Unsubscribe in a task of its own: whoever waited may be in the middle of being cancelled."""
        task = asyncio.create_task(self._unsubscribe(name))
        self._partings.add(task)
        task.add_done_callback(self._partings.discard)

    async def _unsubscribe(self, name: str) -> None:
        async with self._commands:
            if self._pubsub is not None and name not in self._channels:  # nobody came in the meantime
                with contextlib.suppress(RedisError, OSError):
                    await self._pubsub.unsubscribe(name)

    async def _listen(self) -> None:
        while True:
            try:
                async with self.redis.pubsub() as pubsub:
                    await pubsub.subscribe(OWN_CHANNEL, *self._channels)
                    self._pubsub = pubsub
                    self.notify_all()
                    await self._hear(pubsub)
            except (RedisError, OSError):
                log.warning("redis.away")
            finally:
                self._pubsub = None
                for channel in self._channels.values():
                    channel.confirmed.clear()
            await asyncio.sleep(PAUSE_S)

    async def _hear(self, pubsub: PubSub) -> None:
        """Pass on what comes. Raises RedisError when the connection is lost, or answers nothing."""
        is_asked = False
        while True:
            message = await pubsub.get_message(timeout=QUIET_S)
            if message is None and is_asked:
                raise RedisError("the connection for news is dead")
            is_asked = message is None
            if message is None:
                await pubsub.ping()
                continue
            channel = self._channels.get(_text(message.get("channel")))
            if channel is None:
                continue
            if message["type"] == "subscribe":
                channel.confirmed.set()
            elif message["type"] == "message":
                for bell in channel.bells:
                    bell.notify()

    def notify_all(self) -> None:
        """Tell everybody who waits to look."""
        for channel in self._channels.values():
            for bell in channel.bells:
                bell.notify()


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else ""
