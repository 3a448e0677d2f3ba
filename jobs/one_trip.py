"""What is asked of Redis at the same time goes there in one trip, and the answers come back in one.

A front end that is polled asks the same short question over and over. Getting a connection, writing to it and waking up
for the answer cost more than the question; while one trip is under way the next questions gather for the one after it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from redis.asyncio import Redis
from redis.client import Pipeline
from redis.exceptions import ReadOnlyError

LATE_S = 0.05  # who comes so long after the start of a trip that has not ended takes another connection
MOVES, MOVED_S = 3, 0.1  # so often is another master looked for when the one we have was demoted, and how far apart

Put = Callable[[Pipeline], None]
Asked = tuple[Put, "asyncio.Future[Any]"]


class OneTrip:
    """Asks for everybody in this process. Belongs to one event loop."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._gathered: list[Asked] = []
        self._under_way = 0
        self._trips: set[asyncio.Task[None]] = set()  # kept only so that they are not forgotten
        self._started = 0.0

    async def ask(self, *command: Any) -> Any:
        """The answer to a command that changes nothing. Raises what the client raises."""
        (answer,) = await self.ask_all(_Command(command))
        return answer

    async def ask_all(self, put: Put) -> Sequence[Any]:
        """The answers to the commands that `put` puts on a pipeline; they go in a row. Raises the first refusal."""
        answers: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._gathered.append((put, answers))
        if not self._under_way or time.monotonic() - self._started > LATE_S:
            self._under_way += 1
            trip = asyncio.create_task(self._go(), name="trip to Redis")
            self._trips.add(trip)
            trip.add_done_callback(self._trips.discard)
        return await answers

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
            answers: Sequence[Any] = await self._answers([put for put, _ in gathered])
        except Exception as error:  # noqa: BLE001  it is for those who asked to know what to do with it
            answers = [[error]] * len(gathered)
        except asyncio.CancelledError:
            for _, answer in gathered:
                answer.cancel()
            raise
        for (_, answer), found in zip(gathered, answers, strict=True):
            _tell(answer, found)

    async def _answers(self, puts: Sequence[Put]) -> list[list[Any]]:
        """What each of them is answered. Where the server may not write any more, none of them did anything."""
        if len(puts) == 1 and isinstance(puts[0], _Command):
            return [[await self.redis.execute_command(*puts[0])]]  # type: ignore[no-untyped-call]
        for again in range(MOVES, -1, -1):
            async with self.redis.pipeline(transaction=False) as pipe:
                ends = []
                for put in puts:
                    put(cast(Pipeline, pipe))  # one of either kind only gathers commands
                    ends.append(len(pipe))
                found = await pipe.execute(raise_on_error=False)
            if not again or not any(isinstance(each, ReadOnlyError) for each in found):
                break
            await self.redis.connection_pool.disconnect(inuse_connections=False)
            await asyncio.sleep(MOVED_S)
        return [found[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


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
