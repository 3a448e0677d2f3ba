"""Whose turn it is: the order in which the waiting jobs of a model are taken (docs/decisions: fair turns).

Callers take turns. A job's turn is fixed when it comes: one after that of its caller's job before it, but not before
the turn that is being served, so that whoever comes now waits for one job of each other caller, however many those have
queued. Jobs of a higher priority go before, by a head start of some turns, and not for ever. A job that is queued again
comes before all turns.

The waiting jobs of each priority are in a sorted set by their turn, so that entering, leaving and telling the position
take O(log n). Each script is one command in the transaction that changes the job.
"""

from dataclasses import dataclass
from typing import Any, cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import Job
from jobs.model.states import Priority
from jobs.redis.keys import unserved_key, waiting_keys

# A score is (turn - head start) * 2^25 + a count of arrivals: within a turn, first come, first served. Doubles are
# exact up to 2^53. The first turn is above every head start, and a score below zero is that of a job queued again.
_FIRST_TURN = 1000
_ARRIVALS = 2**25

# KEYS: the turns, the waiting jobs of the job's priority, those of the others. ARGV: job, line (a caller's jobs of one
# priority), head start. The hash of turns has `turn`, the latest that was served; `arrivals`; and for each line the
# turn of its next job and how many of it wait. A newcomer gets the turn of the first who waits; if nobody does, the
# latest that was served.
_ENTER = f"""
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return end
local turn = tonumber(redis.call('HGET', KEYS[1], 'turn') or {_FIRST_TURN})
local first = redis.call('ZRANGEBYSCORE', KEYS[2], 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
if first then turn = math.min(turn, math.floor(first / {_ARRIVALS}) + ARGV[3]) end
local mine = math.max(turn, tonumber(redis.call('HGET', KEYS[1], 'next:' .. ARGV[2]) or 0))
local arrival = redis.call('HINCRBY', KEYS[1], 'arrivals', 1) % {_ARRIVALS}
redis.call('ZADD', KEYS[2], string.format('%.0f', (mine - ARGV[3]) * {_ARRIVALS} + arrival), ARGV[1])
redis.call('HSET', KEYS[1], 'next:' .. ARGV[2], mine + 1)
redis.call('HINCRBY', KEYS[1], 'waiting:' .. ARGV[2], 1)
"""

_ENTER_AT_HEAD = """
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[2], string.format('%.0f', now[1] * 1000000 + now[2] - 2^52), ARGV[1])
redis.call('HINCRBY', KEYS[1], 'waiting:' .. ARGV[2], 1)
"""

# A job that is not taken, but withdrawn, gives its turn back if it was its line's last; and when none of its line waits
# any more, all that the line had reserved. When nobody waits, there is nothing to be fair about.
_LEAVE = f"""
local score = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or '')
if not score then return end
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('EXISTS', unpack(KEYS, 2)) == 0 then return redis.call('DEL', KEYS[1]) end
local waiting = redis.call('HINCRBY', KEYS[1], 'waiting:' .. ARGV[2], -1)
if waiting <= 0 then redis.call('HDEL', KEYS[1], 'waiting:' .. ARGV[2]) end
if score < 0 then return end
local turn = tonumber(redis.call('HGET', KEYS[1], 'turn') or {_FIRST_TURN})
local mine = math.floor(score / {_ARRIVALS}) + ARGV[3]
if ARGV[4] == 'taken' then return redis.call('HSET', KEYS[1], 'turn', math.max(turn, mine)) end
local next = tonumber(redis.call('HGET', KEYS[1], 'next:' .. ARGV[2]) or 0)
if next == mine + 1 then next = mine end
if waiting <= 0 then next = math.min(next, turn + 1) end
redis.call('HSET', KEYS[1], 'next:' .. ARGV[2], next)
"""

# KEYS: the waiting jobs of all priorities. A job that does not wait by its record has no place here, however that came
# about. One whose owner has as many running as it may is passed over and keeps its place.
_FIRST = """
local passed = {}
while true do
  local first, set, least
  for i = 1, #KEYS do
    local at = passed[i] or 0
    local head = redis.call('ZRANGE', KEYS[i], at, at, 'WITHSCORES')
    local score = tonumber(head[2] or '')
    if score and (not least or score < least) then first, set, least = head[1], i, score end
  end
  if not first then return false end
  local job = redis.call('HMGET', 'job:' .. first, 'state', 'owner', 'running_limit')
  if job[1] ~= '"queued"' then
    redis.call('ZREM', KEYS[set], first)
  else
    local most = tonumber(job[3] or '')
    if not most or redis.call('SCARD', 'running:of:' .. string.sub(job[2], 2, -2)) < most then return first end
    passed[set] = (passed[set] or 0) + 1
  end
end
"""

# KEYS: the waiting jobs of all priorities, the job's own first, and the mark of a model that nobody serves.
_PLACE = """
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score then return false end
local before = redis.call('ZRANK', KEYS[1], ARGV[1])
for i = 2, #KEYS - 1 do before = before + redis.call('ZCOUNT', KEYS[i], '-inf', '(' .. score) end
return {before, redis.call('EXISTS', KEYS[#KEYS])}
"""


@dataclass(frozen=True)
class QueuePosition:
    """How many jobs are before one, and whether no worker serves its model, and has not for some time."""

    position: int
    is_unserved: bool = False


def push(pipe: Pipeline, job: Job) -> None:
    """Add to `pipe`: the job waits for its turn; nothing if it does so already."""
    _run(pipe, _ENTER, job, job.priority.head_start)


def push_front(pipe: Pipeline, job: Job) -> None:
    """Add to `pipe`: the job, which had its turn before, is the next to be taken; of several, the first to return."""
    _run(pipe, _ENTER_AT_HEAD, job)


def remove(pipe: Pipeline, job: Job, *, is_taken: bool) -> None:
    """Add to `pipe`: the job waits no longer, because a worker takes it or for another reason."""
    _run(pipe, _LEAVE, job, job.priority.head_start, "taken" if is_taken else "")


def peek(redis: Redis, model: str) -> str | None:
    """The id of the job whose turn it is; None if none waits for this model."""
    keys = waiting_keys(model)
    found = cast(bytes | None, redis.eval(_FIRST, len(keys), *keys))
    return found.decode() if found else None


def depth(redis: Redis, model: str) -> int:
    """How many jobs wait for this model."""
    with redis.pipeline(transaction=False) as pipe:
        for key in waiting_keys(model):
            pipe.zcard(key)
        return sum(cast(list[int], pipe.execute()))


def position_command(model: str, priority: Priority, job_id: str) -> list[Any]:
    """What to `eval` for an answer that `parse_position` understands."""
    keys = [*_own_first(model, priority), unserved_key(model)]
    return [_PLACE, len(keys), *keys, job_id]


def parse_position(answer: Any) -> QueuePosition | None:
    """The place of a job in its queue; None if it does not wait."""
    return QueuePosition(int(answer[0]), bool(answer[1])) if answer else None


def _own_first(model: str, priority: Priority) -> list[str]:
    own = f"queue:{model}:{priority}"
    return [own, *(key for key in waiting_keys(model) if key != own)]


def _run(pipe: Pipeline, script: str, job: Job, *arguments: Any) -> None:
    """The whole script each time: one that the server has forgotten would fail alone inside a transaction."""
    model, line = job.request.model, f"{job.priority}:{job.owner}"
    keys = [f"queue:{model}:turns", *_own_first(model, job.priority)]
    pipe.eval(script, len(keys), *keys, job.id, line, *arguments)
