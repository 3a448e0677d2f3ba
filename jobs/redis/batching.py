"""Batches Redis commands of one process into pipelines.

Commands that are sent while a batch is under way form the next batch. A connection, a write and a wake-up for each
small command would cost more than the command itself.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, cast

from redis.asyncio import Redis
from redis.client import Pipeline
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

SLOW_BATCH_S = 0.05  # commands that come later than this after the start of a batch use another connection
FAILOVER_TRIES, FAILOVER_PAUSE_S = 3, 0.1  # after the reply of a demoted master

Put = Callable[[Pipeline], None]
Entry = tuple[Put, "asyncio.Future[Sequence[Any]]"]


class CommandBatcher:
    """Sends the commands of one event loop. A batch takes at most `timeout_s` with all its retries.

    With `tries` above 1, a batch without a reply is sent again by another connection: the first one may have died
    silently. Its commands must be repeatable then.
    """

    def __init__(self, redis: Redis, timeout_s: float = 5.0, *, tries: int = 1) -> None:
        self.redis = redis
        self.timeout_s = timeout_s
        self.tries = tries
        self._pending: list[Entry] = []
        self._active = 0
        self._tasks: set[asyncio.Task[None]] = set()  # references, so that no task is garbage collected
        self._started = 0.0

    async def execute(self, *command: Any) -> Any:
        """The reply to a command that changes nothing. Raises what the client raises."""
        (reply,) = await self.pipeline(_Command(command))
        return reply

    async def pipeline(self, put: Put) -> Sequence[Any]:
        """The replies to the commands that `put` adds, which are sent in a row. Raises the first error."""
        replies: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._pending.append((put, replies))
        if not self._active or time.monotonic() - self._started > SLOW_BATCH_S:
            self._active += 1
            task = asyncio.create_task(self._run(), name="redis batch")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await replies

    async def close(self) -> None:
        """Cancels the batches under way, and closes the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.redis.aclose()

    async def _run(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                self._started = time.monotonic()
                await self._execute(batch)
        finally:
            self._active -= 1  # at once: the next command needs a new task

    async def _execute(self, batch: list[Entry]) -> None:
        try:
            results: Sequence[list[Any]] = await self._replies_in_time([put for put, _ in batch])
        except Exception as error:  # noqa: BLE001  each caller decides what to do with it
            results = [[error]] * len(batch)
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), replies in zip(batch, results, strict=True):
            _set_result(future, replies)

    async def _replies_in_time(self, puts: Sequence[Put]) -> list[list[Any]]:
        """The replies to each of `puts`, of the first try that gets them. Raises TimeoutError of the client."""
        for _ in range(self.tries):
            with suppress(TimeoutError):
                async with asyncio.timeout(self.timeout_s / self.tries):
                    return await self._replies(puts)
            with suppress(RedisError, OSError):  # the connections that wait in the pool may have died as well
                await self.redis.connection_pool.disconnect(inuse_connections=False)
        raise RedisTimeoutError(f"Redis has not replied within {self.timeout_s:g} s")

    async def _replies(self, puts: Sequence[Put]) -> list[list[Any]]:
        """The replies to each of `puts`. Commands that a demoted master refuses are sent to the new one."""
        results = await self._send(puts)
        for _ in range(FAILOVER_TRIES):
            refused = [index for index, replies in enumerate(results) if _is_demoted(replies)]
            if not refused:
                break
            with suppress(RedisError):
                await self.redis.connection_pool.disconnect(inuse_connections=False)
            await asyncio.sleep(FAILOVER_PAUSE_S)
            for index, replies in zip(refused, await self._send([puts[index] for index in refused]), strict=True):
                results[index] = replies
        return results

    async def _send(self, puts: Sequence[Put]) -> list[list[Any]]:
        if len(puts) == 1 and isinstance(puts[0], _Command):
            return [[await self.redis.execute_command(*puts[0])]]  # type: ignore[no-untyped-call]
        async with self.redis.pipeline(transaction=False) as pipe:
            ends = [0]
            for put in puts:
                put(cast(Pipeline, pipe))  # both kinds of pipeline collect commands in the same way
                ends.append(len(pipe))
            replies = await pipe.execute(raise_on_error=False)
        return [replies[begin:end] for begin, end in pairwise(ends)]


class _Command(tuple[Any, ...]):
    """One command, which needs no pipeline when it is alone in its batch."""

    def __call__(self, pipe: Pipeline) -> None:
        pipe.execute_command(*self)  # type: ignore[no-untyped-call]


def _is_demoted(replies: list[Any]) -> bool:
    return any(isinstance(reply, ReadOnlyError) for reply in replies)


def _set_result(future: "asyncio.Future[Sequence[Any]]", replies: list[Any]) -> None:
    if future.done():  # the caller was cancelled
        return
    error = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(replies)
