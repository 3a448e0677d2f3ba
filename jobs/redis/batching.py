"""What is asked of Redis at the same time goes there in one trip, and the answers come back in one.

A front end that is polled asks the same short question over and over. Getting a connection, writing to it and waking up
for the answer cost more than the question; while one trip is under way the next questions gather for the one after it.
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

LATE_S = 0.05  # who comes so long after the start of a trip that has not ended takes another connection
MOVES, MOVED_S = 3, 0.1  # so often is another master looked for when the one we have was demoted, and how far apart

Put = Callable[[Pipeline], None]
Asked = tuple[Put, "asyncio.Future[Any]"]


class CommandBatcher:
    """Asks for everybody in this process. Belongs to one event loop. A trip takes `within_s` at most, tries and all."""

    def __init__(self, redis: Redis, within_s: float = 5.0) -> None:
        self.redis = redis
        self.within_s = within_s
        self._gathered: list[Asked] = []
        self._under_way = 0
        self._trips: set[asyncio.Task[None]] = set()  # kept only so that they are not forgotten
        self._started = 0.0

    async def execute(self, *command: Any) -> Any:
        """The answer to a command that changes nothing. Raises what the client raises."""
        (answer,) = await self.pipeline(_Command(command))
        return answer

    async def pipeline(self, put: Put) -> Sequence[Any]:
        """The answers to the commands that `put` puts on a pipeline; they go in a row. Raises the first refusal."""
        answers: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._gathered.append((put, answers))
        if not self._under_way or time.monotonic() - self._started > LATE_S:
            self._under_way += 1
            trip = asyncio.create_task(self._go(), name="trip to Redis")
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)
        return await answers

    async def close(self) -> None:
        """Give up what is under way, and hang up. Whoever still waits for an answer is cancelled."""
        for trip in self._trips:
            trip.cancel()
        await asyncio.gather(*self._trips, return_exceptions=True)
        await self.redis.aclose()

    async def _go(self) -> None:
        try:
            while self._gathered:
                gathered, self._gathered = self._gathered, []
                self._started = time.monotonic()
                await self._ask_all(gathered)
        finally:
            self._under_way -= 1  # at once: who asks in the next moment needs a trip of its own

    async def _ask_all(self, gathered: list[Asked]) -> None:
        try:
            async with asyncio.timeout(self.within_s):
                answers: Sequence[Any] = await self._answers([put for put, _ in gathered])
        except TimeoutError:
            answers = [[RedisTimeoutError(f"Redis has not answered within {self.within_s:g} s")]] * len(gathered)
        except Exception as error:  # noqa: BLE001  it is for those who asked to know what to do with it
            answers = [[error]] * len(gathered)
        except asyncio.CancelledError:
            for _, answer in gathered:
                answer.cancel()
            raise
        for (_, answer), found in zip(gathered, answers, strict=True):
            _tell(answer, found)

    async def _answers(self, puts: Sequence[Put]) -> list[list[Any]]:
        """What each of them is answered. Who is told that this server may not write any more asks another one."""
        answers = await self._asked(puts)
        for _ in range(MOVES):
            refused = [place for place, found in enumerate(answers) if _has_moved(found)]
            if not refused:
                break
            with suppress(RedisError):
                await self.redis.connection_pool.disconnect(inuse_connections=False)
            await asyncio.sleep(MOVED_S)
            for place, found in zip(refused, await self._asked([puts[place] for place in refused]), strict=True):
                answers[place] = found
        return answers

    async def _asked(self, puts: Sequence[Put]) -> list[list[Any]]:
        if len(puts) == 1 and isinstance(puts[0], _Command):
            return [[await self.redis.execute_command(*puts[0])]]  # type: ignore[no-untyped-call]
        async with self.redis.pipeline(transaction=False) as pipe:
            ends = [0]
            for put in puts:
                put(cast(Pipeline, pipe))  # one of either kind only gathers commands
                ends.append(len(pipe))
            found = await pipe.execute(raise_on_error=False)
        return [found[begin:end] for begin, end in pairwise(ends)]


def _has_moved(found: list[Any]) -> bool:
    return any(isinstance(each, ReadOnlyError) for each in found)


class _Command(tuple[Any, ...]):
    """One command, which needs no pipeline where it goes alone."""

    def __call__(self, pipe: Pipeline) -> None:
        pipe.execute_command(*self)  # type: ignore[no-untyped-call]


def _tell(answer: "asyncio.Future[Any]", found: list[Any]) -> None:
    if answer.done():  # who asked is gone
        return
    refusal = next((each for each in found if isinstance(each, Exception)), None)
    if refusal is not None:
        answer.set_exception(refusal)
    else:
        answer.set_result(found)
