"""The limits of callers, counted in Redis: one script looks and counts in one step, for all front ends together.

Requests are counted as a bucket that holds a minute's worth and fills steadily (the generic cell rate algorithm: all
that is stored is when it will be full). Room in the queue is kept for a minute before the jobs are written, so that two
requests at once cannot both have the last place; what never becomes a job is forgotten by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis

from jobs.model.limits import Limits
from jobs.model.request import VideoRequest
from jobs.redis import keys
from jobs.redis.connection import redis_errors

MINUTE_S, DAY_S = 60, 86_400
KEPT_FOR_S = 60

# KEYS: the bucket. ARGV: requests a minute. -> whether it is granted, how many more are, ms until the bucket is full
_TAKE_REQUEST = """
local now = redis.call('TIME')
now = now[1] * 1000 + now[2] / 1000
local every = 60000 / ARGV[1]
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
if full + every - now > 60000.5 then return {0, 0, math.ceil(full - now)} end
full = full + every
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil(full - now))
return {1, math.floor((60000.5 - full + now) / every), math.ceil(full - now)}
"""

# KEYS: waiting jobs, pixel-frames of today. ARGV: limits of both or 0, pixel-frames asked for, seconds to keep, job ids
# -> waiting before, pixel-frames before, seconds of the day that are left, whether it is granted
_RESERVE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local waiting, used = redis.call('ZCARD', KEYS[1]), tonumber(redis.call('GET', KEYS[2]) or 0)
local queued_limit, day_limit, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local left_s = 86400 - now % 86400
if queued_limit > 0 and waiting + #ARGV - 4 > queued_limit then return {waiting, used, left_s, 0} end
if day_limit > 0 and used + asked > day_limit then return {waiting, used, left_s, 0} end
for i = 5, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[i]) end
if day_limit > 0 then
  redis.call('INCRBY', KEYS[2], ARGV[3])
  redis.call('EXPIRE', KEYS[2], left_s)
end
return {waiting, used, left_s, 1}
"""

# KEYS as above. ARGV: pixel-frames to give back, job ids. Only room that is still kept, not jobs that were written.
_GIVE_BACK = """
for i = 2, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) ~= 'inf' then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DECRBY', KEYS[2], ARGV[1]) end
"""


@dataclass(frozen=True)
class Allowance:
    """How much of a limit is left after this request, of which `asked` was asked for. Without `window_s` it is no rate.

    `reset_s`: until all of it is there again; None when nobody knows.
    """

    name: str
    limit: int
    left: int
    asked: int = 1
    is_exceeded: bool = False
    window_s: int | None = None
    reset_s: int | None = None


class Quotas:
    """What each caller has used. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def count_request(self, owner: str, most: int) -> Allowance:
        """Count a request of this caller, who may have `most` a minute."""
        with redis_errors():
            answer = self.redis.eval(_TAKE_REQUEST, 1, f"requests:of:{owner}", str(most))
        granted, left, full_in_ms = cast(list[int], answer)
        return Allowance("requests", most, left, 1, not granted, MINUTE_S, -(-full_in_ms // 1000))

    def reserve(self, owner: str, limits: Limits, ids: Sequence[str], pixel_frames: int) -> list[Allowance]:
        """Room for these jobs and their pixel-frames: all of it, or nothing if a limit is exceeded."""
        if not limits.are_of_jobs:
            return []
        most = limits.queued_jobs or 0, limits.pixel_frames_per_day or 0
        with redis_errors():
            answer = self.redis.eval(
                _RESERVE,
                2,
                keys.owner_waiting_key(owner),
                _day_key(owner),
                *most,
                pixel_frames,
                KEPT_FOR_S,
                *ids,
            )
        waiting, used, left_s, granted = cast(list[int], answer)
        found = []
        if limits.queued_jobs is not None:
            found.append(_allowance("queued-jobs", limits.queued_jobs, waiting, len(ids), granted))
        if limits.pixel_frames_per_day is not None:
            day = _allowance("pixel-frames", limits.pixel_frames_per_day, used, pixel_frames, granted, DAY_S, left_s)
            found.append(day)
        return found

    def release(self, owner: str, limits: Limits, ids: Sequence[str], pixel_frames: int) -> None:
        """What was reserved under these limits is not needed after all."""
        counted = pixel_frames if limits.pixel_frames_per_day is not None else 0
        with redis_errors():
            self.redis.eval(_GIVE_BACK, 2, keys.owner_waiting_key(owner), _day_key(owner), counted, *ids)


def request_pixel_frames(request: VideoRequest) -> int:
    """The pixels of all frames that are to be made; those of a video that is continued are there already."""
    made = request.num_frames - (request.video_num_frames if request.continues else 0)
    return request.width * request.height * made


def _allowance(
    name: str, limit: int, used: int, asked: int, granted: int, window_s: int | None = None, reset_s: int | None = None
) -> Allowance:
    left = max(0, limit - used - (asked if granted else 0))
    return Allowance(name, limit, left, asked, used + asked > limit, window_s, reset_s)


def _day_key(owner: str) -> str:
    """A count that Redis forgets at midnight UTC."""
    return f"pixel-frames:of:{owner}"
