"""Questions to Redis that come at the same time go there in one trip, and their answers come back in one.

A front end that is polled asks the same short question over and over. Getting a connection, writing to it and waking up
for the answer cost more than the question; while one trip is under way the next questions gather for the one after it.
"""

import asyncio
import time
from typing import Any

from redis.asyncio import Redis

LATE_S = 0.05  # who comes so long after the start of a trip that has not ended takes another connection


class OneTrip:
    """Asks for everybody in this process. Belongs to one event loop."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._gathered: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._under_way = 0
        self._trips: set[asyncio.Task[None]] = set()  # kept only so that they are not forgotten
        self._started = 0.0

    async def ask(self, *command: Any) -> Any:
        """The answer to a command that changes nothing. Raises what the client raises."""
        answer = asyncio.get_running_loop().create_future()
        self._gathered.append((command, answer))
        if not self._under_way or time.monotonic() - self._started > LATE_S:
            self._under_way += 1
            trip = asyncio.create_task(self._go(), name="trip to Redis")
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)
        return await answer

    async def _go(self) -> None:
        try:
            while self._gathered:
                gathered, self._gathered = self._gathered, []
                self._started = time.monotonic()
                await self._ask_all(gathered)
        finally:
            self._under_way -= 1  # at once: who asks in the next moment needs a trip of its own

    async def _ask_all(self, gathered: list[tuple[tuple[Any, ...], asyncio.Future[Any]]]) -> None:
        answers: list[Any]
        try:
            answers = await self._answers([command for command, _ in gathered])
        except Exception as error:  # noqa: BLE001  it is for those who asked to know what to do with it
            answers = [error] * len(gathered)
        except asyncio.CancelledError:
            for _, answer in gathered:
                answer.cancel()
            raise
        for (_, answer), found in zip(gathered, answers, strict=True):
            _tell(answer, found)

    async def _answers(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if len(commands) == 1:
            return [await self.redis.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
        async with self.redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)


def _tell(answer: "asyncio.Future[Any]", found: Any) -> None:
    if answer.done():  # who asked is gone
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)
