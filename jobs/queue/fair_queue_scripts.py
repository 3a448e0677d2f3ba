"""The Lua scripts of the fair queue. Each is one command in the transaction that changes the job.

`fair_queue.py` has the order and the calls of the scripts.
"""

from jobs.model.states import State

# A score is (turn - head start) * 2^25 + a count of arrivals: within a turn, first come, first served. Doubles are
# exact up to 2^53. The first turn is above every head start. A score below zero belongs to a requeued job.
_FIRST_TURN = 1000
_ARRIVALS = 2**25

# The hash of turns has `turn`, the latest one served; `arrivals`; and for each line (the jobs of one caller and
# priority) the turn of its next job and the number of its waiting jobs. A new line gets the turn of the first waiting
# job; without one, the latest turn served. Preempted jobs had their turn already, so theirs counts for no new line.
_PRESENT_TURN = f"""
local function present_turn(turns, preempted, set, head_start)
  local turn = tonumber(redis.call('HGET', turns, 'turn') or {_FIRST_TURN})
  local at = 0
  while true do
    local first = redis.call('ZRANGEBYSCORE', set, 0, '+inf', 'WITHSCORES', 'LIMIT', at, 1)
    if not first[1] then return turn end
    if redis.call('SISMEMBER', preempted, first[1]) == 0 then
      return math.min(turn, math.floor(first[2] / {_ARRIVALS}) + head_start)
    end
    at = at + 1
  end
end
local function next_arrival(turns) return redis.call('HINCRBY', turns, 'arrivals', 1) % {_ARRIVALS} end
"""
_NEXT_PLACE = f"""{_PRESENT_TURN}
local function next_place(turns, preempted, set, line, head_start)
  local turn = present_turn(turns, preempted, set, head_start)
  local turn_of_job = math.max(turn, tonumber(redis.call('HGET', turns, 'next:' .. line) or 0))
  return (turn_of_job - head_start) * {_ARRIVALS} + next_arrival(turns), turn_of_job
end
"""

# A job that is removed without a lease frees its turn if it was the last of its line. A line without waiting jobs frees
# all its turns. A requeued or preempted job has no turn of its line any more.
_LEAVE_LINE = f"""
local function leave_line(turns, line, score, head_start, is_leased)
  local waiting = redis.call('HINCRBY', turns, 'waiting:' .. line, -1)
  if waiting <= 0 then redis.call('HDEL', turns, 'waiting:' .. line) end
  if score < 0 or was_preempted then return end
  local turn = tonumber(redis.call('HGET', turns, 'turn') or {_FIRST_TURN})
  local turn_of_job = math.floor(score / {_ARRIVALS}) + head_start
  if is_leased then return redis.call('HSET', turns, 'turn', math.max(turn, turn_of_job)) end
  local next = tonumber(redis.call('HGET', turns, 'next:' .. line) or 0)
  if next == turn_of_job + 1 then next = turn_of_job end
  if waiting <= 0 then next = math.min(next, turn + 1) end
  redis.call('HSET', turns, 'next:' .. line, next)
end
"""

# KEYS: the turns, the preempted jobs, the waiting jobs of the job's priority, those of the other priorities. ARGV: job,
# line, head start.
ENTER = f"""{_NEXT_PLACE}
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return end
local score, turn_of_job = next_place(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], string.format('%.0f', score), ARGV[1])
redis.call('HSET', KEYS[1], 'next:' .. ARGV[2], turn_of_job + 1)
redis.call('HINCRBY', KEYS[1], 'waiting:' .. ARGV[2], 1)
"""

ENTER_AT_HEAD = """
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return end
local now = redis.call('TIME')
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], string.format('%.0f', now[1] * 1000000 + now[2] - 2^52), ARGV[1])
redis.call('HINCRBY', KEYS[1], 'waiting:' .. ARGV[2], 1)
"""

# One turn before the present one: behind requeued jobs and earlier preempted ones, before all others of its priority.
# More urgent jobs pass it by their head start.
ENTER_AS_NEXT = f"""{_PRESENT_TURN}
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return end
local turn = present_turn(KEYS[1], KEYS[2], KEYS[3], ARGV[3]) - 1
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], string.format('%.0f', (turn - ARGV[3]) * {_ARRIVALS} + next_arrival(KEYS[1])), ARGV[1])
redis.call('HINCRBY', KEYS[1], 'waiting:' .. ARGV[2], 1)
"""

# KEYS: the preempted jobs, the waiting jobs of all priorities -> the preempted ones that wait. An earlier release does
# not know this set, so it may have jobs that a worker of one has leased.
COUNT_PREEMPTED = """
local count = 0
for _, job in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  for i = 2, #KEYS do
    if redis.call('ZSCORE', KEYS[i], job) then count = count + 1 end
  end
end
return count
"""

# An empty queue needs no turns.
LEAVE = f"""
local was_preempted = redis.call('SREM', KEYS[2], ARGV[1]) == 1
{_LEAVE_LINE}
local score = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or '')
if not score then return end
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('EXISTS', unpack(KEYS, 3)) == 0 then return redis.call('DEL', KEYS[1], KEYS[2]) end
leave_line(KEYS[1], ARGV[2], score, ARGV[3], ARGV[4] == 'taken')
"""

# KEYS: the turns, the preempted jobs, the waiting jobs of the old and of the new priority. ARGV: job, line and head
# start of both. The job gets the place of a new job of its new priority. A higher priority never moves it back, a lower
# one never forward, and a requeued job stays at the head.
MOVE = f"""
local old = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or '')
if not old then return end
local was_preempted = redis.call('SREM', KEYS[2], ARGV[1]) == 1
{_NEXT_PLACE}{_LEAVE_LINE}
redis.call('ZREM', KEYS[3], ARGV[1])
leave_line(KEYS[1], ARGV[2], old, ARGV[3], false)
redis.call('HINCRBY', KEYS[1], 'waiting:' .. ARGV[4], 1)
local score, turn_of_job = old, nil
if old >= 0 then score, turn_of_job = next_place(KEYS[1], KEYS[2], KEYS[4], ARGV[4], ARGV[5]) end
local is_raised = tonumber(ARGV[5]) > tonumber(ARGV[3])
if old < 0 or (is_raised and score > old) or (not is_raised and score < old) then
  score = old
else
  redis.call('HSET', KEYS[1], 'next:' .. ARGV[4], turn_of_job + 1)
end
redis.call('ZADD', KEYS[4], string.format('%.0f', score), ARGV[1])
"""

# KEYS: the waiting jobs of some priorities, what the keys of records, of running jobs and of shared runs begin with.
# ARGV: jobs that the worker cannot run. A job without a record, or whose record is not queued, is removed. A job of
# ARGV, with a state of a newer release, whose owner has reached the limit of running jobs, or whose work another job
# does now, is skipped and keeps its place. A record that is no hash is returned, and the worker reports it; likewise a
# job whose owner or work has a key of another type.
_NOT_WAITING = ", ".join(f"""['"{state}"'] = true""" for state in State if state is not State.QUEUED)
FIRST = (
    f"local not_waiting = {{{_NOT_WAITING}}}"
    + """
local records, running, runs = KEYS[#KEYS - 2], KEYS[#KEYS - 1], KEYS[#KEYS]
local function text(json) return string.sub(json or '', 2, -2) end
local function must_wait(id, job)
  local most = tonumber(job[3] or '')
  local count = most and redis.pcall('SCARD', running .. text(job[2]))
  if type(count) == 'number' and count >= most then return true end
  if not job[4] or job[4] == 'null' then return false end
  local run = redis.pcall('GET', runs .. text(job[4]))
  return type(run) == 'string' and run ~= id
end
local skipped, excluded = {}, {}
for _, job in ipairs(ARGV) do excluded[job] = true end
while true do
  local first, set, least
  for i = 1, #KEYS - 3 do
    local at = skipped[i] or 0
    local head = redis.call('ZRANGE', KEYS[i], at, at, 'WITHSCORES')
    local score = tonumber(head[2] or '')
    if score and (not least or score < least) then first, set, least = head[1], i, score end
  end
  if not first then return false end
  local record = records .. first
  local kind = redis.call('TYPE', record).ok
  local job = {false}
  if kind == 'hash' then job = redis.call('HMGET', record, 'state', 'owner', 'running_limit', 'shared_key') end
  if kind == 'none' or not_waiting[job[1] or ''] then
    redis.call('ZREM', KEYS[set], first)
  elseif excluded[first] or (job[1] and job[1] ~= '"queued"') then
    skipped[set] = (skipped[set] or 0) + 1
  elseif not job[1] or not must_wait(first, job) then
    return first
  else
    skipped[set] = (skipped[set] or 0) + 1
  end
end
"""
)

# KEYS: the waiting jobs of all priorities, the job's own first, the mark of a model without workers, and its pause.
PLACE = """
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score then return false end
local before = redis.call('ZRANK', KEYS[1], ARGV[1])
for i = 2, #KEYS - 2 do before = before + redis.call('ZCOUNT', KEYS[i], '-inf', '(' .. score) end
return {before, redis.call('EXISTS', KEYS[#KEYS - 1]), redis.call('EXISTS', KEYS[#KEYS])}
"""

# KEYS: the turns, the preempted jobs, the waiting jobs of the priority of new jobs, those of the other priorities.
# ARGV: line, head start, number of new jobs -> the jobs of others before the first and before the last of them. Nothing
# is written.
NEXT_POSITIONS = f"""{_PRESENT_TURN}
local turn = present_turn(KEYS[1], KEYS[2], KEYS[3], ARGV[2])
turn = math.max(turn, tonumber(redis.call('HGET', KEYS[1], 'next:' .. ARGV[1]) or 0))
local before = {{0, 0}}
for place, turn_of_job in ipairs({{turn, turn + ARGV[3] - 1}}) do
  local behind = string.format('(%.0f', (turn_of_job + 1 - ARGV[2]) * {_ARRIVALS})
  for i = 3, #KEYS do before[place] = before[place] + redis.call('ZCOUNT', KEYS[i], '-inf', behind) end
end
return before
"""
