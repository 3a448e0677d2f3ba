"""Requests without an idempotency key that were refused: the repetition of one is a new request.

A client that repeats a refused request marks it like one whose response was lost. The memory in `idempotency.py` alone
would return the video of an older equal request. So a refused first try erases that memory, and is stored until its
repetition arrives. This matters when a client sends equal requests at once: some are refused while others are accepted.
"""

import asyncio
import secrets
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from redis.client import Pipeline
from redis.exceptions import RedisError

from jobs.redis.batching import CommandBatcher

MAX_REFUSED = 1000  # of equal requests in Redis, and of all requests that are not yet written
EARLY_S = 0.05  # a repetition may arrive this much before the advised time
LATE_S = 15.0  # after that, the client has probably stopped repeating
OVERTAKEN_S = 2.0  # a video that was accepted this long after the repetition was due replaces it
KEPT_S = 120
WRITE_INTERVAL_S = 1.0

# KEYS: memory, refusals. ARGV: id, seconds until the repetition or "", "repeat" or "first", own values of a claim.
# A claim of another request in progress has replaced the older memory already, so it stays.
RECORD = f"""
local stored = redis.call('GET', KEYS[1])
local is_own = false
for i = 4, #ARGV do is_own = is_own or stored == ARGV[i] end
local is_older = #ARGV < 4 and stored and string.sub(stored, 1, 7) ~= ' claim:'
if is_own or (is_older and ARGV[3] == 'first') then redis.call('DEL', KEYS[1]) end
if ARGV[2] == '' then return 0 end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local id = ARGV[1]
if ARGV[3] == 'repeat' and #ARGV < 4 then
  id = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1)[1]
  if not id then return 0 end
end
redis.call('ZADD', KEYS[2], string.format('%.3f', now + ARGV[2] - {EARLY_S}), id)
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -{MAX_REFUSED} - 1)
redis.call('EXPIRE', KEYS[2], {KEPT_S})
return 1
"""

# The claim of a repetition. KEYS: memory, refusals. ARGV: claim, seconds of a claim, seconds of a stored video.
# -> nothing for a new request, or the memory of an equal one
CLAIM_REPEAT = f"""
local stored = redis.call('GET', KEYS[1])
if stored == ARGV[1] then return stored end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - {LATE_S})
if stored then
  local stored_at = now - ARGV[3] + redis.call('PTTL', KEYS[1]) / 1000
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', stored_at - {OVERTAKEN_S})
end
local refused = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', stored and now or '+inf', 'LIMIT', 0, 1)[1]
if refused then redis.call('ZREM', KEYS[2], refused) end
if stored and not refused then return stored end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return false
"""


@dataclass(frozen=True)
class RefusedRequest:
    """A refused request without a key. `keys` are those of its memory and of its refusals.

    `repeat_after_s` is the time after which the client repeats it; None if it does not. `own` are the values that this
    request itself stored as its claim.
    """

    keys: tuple[str, str]
    repeat_after_s: float | None
    is_repeat: bool = False
    own: tuple[bytes, ...] = ()
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    refused_at: float = field(default_factory=time.monotonic)

    def write(self, pipe: Pipeline) -> None:
        """Adds to `pipe` the command that records this refusal. It may be repeated."""
        wait_s: float | str = ""
        if self.repeat_after_s is not None:
            wait_s = self.refused_at + self.repeat_after_s - time.monotonic()
        kind = "repeat" if self.is_repeat else "first"
        pipe.eval(RECORD, 2, *self.keys, self.id, wait_s, kind, *self.own)


class RefusedRequests:
    """Records the refused requests of one front end; without Redis it keeps the latest, and writes them afterwards.

    `batcher` must not retry, so that a Redis that is away is noticed soon.
    """

    def __init__(self, batcher: CommandBatcher) -> None:
        self._batcher = batcher
        self._unwritten: deque[RefusedRequest] = deque(maxlen=MAX_REFUSED)
        self._write: asyncio.Task[None] | None = None
        self._retry: asyncio.Task[None] | None = None

    async def record(self, refused: RefusedRequest, *, later: bool = False) -> None:
        """Records a refusal: now, or `later` if Redis is known to be away."""
        self._unwritten.append(refused)
        if not later:
            with suppress(RedisError):
                await self.write_all()
        if self._unwritten and (self._retry is None or self._retry.done()):
            self._retry = asyncio.create_task(self._write_later(), name="refused requests")

    async def write_all(self) -> None:
        """Writes the refusals that are not yet in Redis. Concurrent calls share one write. Raises RedisError."""
        while self._unwritten:
            if self._write is None or self._write.done():
                self._write = asyncio.create_task(self._write_once())
            await asyncio.shield(self._write)

    async def close(self) -> None:
        """Stops to write."""
        tasks = [task for task in (self._write, self._retry) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_once(self) -> None:
        refused = list(self._unwritten)

        def put(pipe: Pipeline) -> None:
            for each in refused:
                each.write(pipe)

        await self._batcher.pipeline(put)
        for each in refused:
            with suppress(ValueError):  # a full queue has dropped it
                self._unwritten.remove(each)

    async def _write_later(self) -> None:
        while self._unwritten:
            await asyncio.sleep(WRITE_INTERVAL_S)
            with suppress(RedisError):
                await self.write_all()
