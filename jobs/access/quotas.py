"""Limits of callers, counted in Redis for all front ends: a script checks and counts in one atomic step.

Token bucket (GCRA): it holds one minute's requests and refills evenly. Redis stores one number: the time when it is
full again. Room in the queue is reserved before the jobs are written, so that
two requests at once cannot both get the last place. A reservation expires after a minute unless its job is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import cast

from redis import Redis

from jobs.model.limits import Limits
from jobs.redis.connection import redis_errors
from jobs.redis.keys import owner_waiting_key

MINUTE_S, DAY_S = 60, 86_400
KEPT_FOR_S = 60

# KEYS: the bucket. ARGV: requests per minute. -> granted or not, requests left, ms until the bucket is full
_COUNT_REQUEST = """
local now = redis.call('TIME')
now = now[1] * 1000 + now[2] / 1000
local every = 60000 / ARGV[1]
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
if full + every - now > 60000.5 then return {0, 0, math.ceil(full - now)} end
full = full + every
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - now))
return {1, math.floor((60000.5 - full + now) / every), math.ceil(full - now)}
"""

# KEYS: waiting jobs, pixel-frames of today. ARGV: limits of both or 0, requested pixel-frames, seconds of the
# reservation, job ids -> waiting jobs before, pixel-frames before, seconds left of the day, granted or not
_RESERVE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local waiting, used = redis.call('ZCARD', KEYS[1]), tonumber(redis.call('GET', KEYS[2]) or 0)
local queued_limit, day_limit, requested = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local left_s = 86400 - now % 86400
if queued_limit > 0 and waiting + #ARGV - 4 > queued_limit then return {waiting, used, left_s, 0} end
if day_limit > 0 and used + requested > day_limit then return {waiting, used, left_s, 0} end
for i = 5, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[i]) end
if day_limit > 0 then
  redis.call('INCRBY', KEYS[2], ARGV[3])
  redis.call('EXPIRE', KEYS[2], left_s)
end
return {waiting, used, left_s, 1}
"""

# KEYS as above. ARGV: pixel-frames to release, job ids. Only reservations are released, not jobs that were written.
_RELEASE = """
for i = 2, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) ~= 'inf' then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DECRBY', KEYS[2], ARGV[1]) end
"""


@dataclass(frozen=True)
class Allowance:
    """What is left of a limit after this request, which needs `requested` of it. Only a rate has a `window_s`.

    `reset_s` is the time until the whole limit is available again; None if that is unknown.
    """

    name: str
    limit: int
    left: int
    requested: int = 1
    is_exceeded: bool = False
    window_s: int | None = None
    reset_s: int | None = None


class Quotas:
    """Usage of each caller. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def count_request(self, owner: str, limit: int) -> Allowance:
        """Counts a request of this caller against a limit per minute."""
        with redis_errors():
            reply = self.redis.eval(_COUNT_REQUEST, 1, _rate_key(owner), str(limit))
        granted, left, full_in_ms = cast(list[int], reply)
        return Allowance("requests", limit, left, 1, not granted, MINUTE_S, -(-full_in_ms // 1000))

    def preview_request(self, owner: str, limit: int) -> Allowance:
        """What a request now would find of a limit per minute; nothing is counted."""
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            pipe.get(_rate_key(owner))
            pipe.time()
            full_ms, (seconds, microseconds) = pipe.execute()
        now_ms = 1000 * seconds + microseconds / 1000
        full_in_ms, every_ms = max(0.0, float(full_ms or 0) - now_ms), 60_000 / limit
        left = int((60_000.5 - full_in_ms) / every_ms)
        return Allowance("requests", limit, left, 1, left < 1, MINUTE_S, ceil(full_in_ms / 1000))

    def preview(self, owner: str, limits: Limits, count: int, pixel_frames: int) -> list[Allowance]:
        """What `reserve` of so many jobs and pixel-frames would find; nothing is reserved."""
        if not limits.are_of_jobs:
            return []
        waiting_key, day_key = _job_keys(owner)
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.get(day_key)
            (seconds, _), used = pipe.execute()
            waiting = self.redis.zcount(waiting_key, f"({seconds}", "+inf")
        return _allowances(limits, waiting, int(used or 0), count, pixel_frames, DAY_S - seconds % DAY_S, granted=0)

    def reserve(self, owner: str, limits: Limits, ids: Sequence[str], pixel_frames: int) -> list[Allowance]:
        """Reserves room for these jobs and their pixel-frames; reserves nothing if a limit is exceeded."""
        if not limits.are_of_jobs:
            return []
        maxima = limits.queued_jobs or 0, limits.pixel_frames_per_day or 0
        with redis_errors():
            reply = self.redis.eval(_RESERVE, 2, *_job_keys(owner), *maxima, pixel_frames, KEPT_FOR_S, *ids)
        waiting, used, left_s, granted = cast(list[int], reply)
        return _allowances(limits, waiting, used, len(ids), pixel_frames, left_s, granted=granted)

    def release(self, owner: str, limits: Limits, ids: Sequence[str], pixel_frames: int) -> None:
        """Releases what was reserved under these limits."""
        counted = pixel_frames if limits.pixel_frames_per_day is not None else 0
        with redis_errors():
            self.redis.eval(_RELEASE, 2, *_job_keys(owner), counted, *ids)


def _allowances(
    limits: Limits, waiting: int, used: int, count: int, pixel_frames: int, left_s: int, *, granted: int
) -> list[Allowance]:
    """The allowances of the limits of jobs; `left_s` are the seconds until the end of the day."""
    allowances = []
    if limits.queued_jobs is not None:
        allowances.append(_allowance("queued-jobs", limits.queued_jobs, waiting, count, granted))
    if limits.pixel_frames_per_day is not None:
        day = _allowance("pixel-frames", limits.pixel_frames_per_day, used, pixel_frames, granted, DAY_S, left_s)
        allowances.append(day)
    return allowances


def _allowance(
    name: str,
    limit: int,
    used: int,
    requested: int,
    granted: int,
    window_s: int | None = None,
    reset_s: int | None = None,
) -> Allowance:
    left = max(0, limit - used - (requested if granted else 0))
    return Allowance(name, limit, left, requested, used + requested > limit, window_s, reset_s)


def _rate_key(owner: str) -> str:
    """The time at which the bucket of the caller is full again, in milliseconds."""
    return f"requests:of:{owner}"


def _job_keys(owner: str) -> tuple[str, str]:
    """The keys of the caller's waiting jobs, and of the pixel-frames of a day, which expires at midnight UTC."""
    return owner_waiting_key(owner), f"pixel-frames:of:{owner}"
