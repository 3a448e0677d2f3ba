"""What the outbox does inside Redis, in one step each.

A lane is a queue to one receiver, named `owner receiver`: `outbox:lane:{lane}` holds its deliveries by the second they
are due, `outbox:due` the lanes by their earliest one. To claim a delivery is to make it due again a minute later: a
deliverer that dies meanwhile is nobody's concern.
"""

# After a change of a lane: its place among the lanes.
_SETTLE_LANE = """
local function settle_lane(lane)
  local first = redis.call('ZRANGE', 'outbox:lane:' .. lane, 0, 0, 'WITHSCORES')
  if first[1] then redis.call('ZADD', 'outbox:due', first[2], lane)
  else redis.call('ZREM', 'outbox:due', lane) end
end
"""

# KEYS: the endpoints that want this event, the ledger of the job.
# ARGV: id of the deliveries without their numbers, owner, now, seconds a row may live ('' for ever), seconds the
#       ledger lives ('' for no entry), lane and url and secret of the receiver named by the request ('' for none), the
#       fields that all rows share.
# The rows are written in the same transaction as the state that they report; if only the answer was lost and it is said
# again, nothing is written twice.
FAN_OUT = """
local count = 0
local function add(lane, name, value, other, secret)
  local id = ARGV[1] .. '_' .. count
  local row = 'delivery:' .. id
  count = count + 1
  if redis.call('EXISTS', row) == 1 then return end
  redis.call('HSET', row, 'id', id, 'lane', lane, 'owner', ARGV[2], 'created_at', ARGV[3], name, value, other, secret,
             unpack(ARGV, 9))
  if ARGV[4] ~= '' then redis.call('EXPIRE', row, ARGV[4]) end
  if ARGV[5] ~= '' then redis.call('ZADD', KEYS[2], ARGV[3], id) end
  redis.call('ZADD', 'outbox:lane:' .. lane, ARGV[3], id)
  redis.call('ZADD', 'outbox:due', 'LT', ARGV[3], lane)
end
if ARGV[6] ~= '' then add(ARGV[2] .. ' ' .. ARGV[6], 'url', ARGV[7], 'secret', ARGV[8]) end
for _, endpoint in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  add(ARGV[2] .. ' ' .. endpoint, 'endpoint_id', endpoint, 'status', 'pending')
end
if count > 0 then
  if ARGV[5] ~= '' then redis.call('EXPIRE', KEYS[2], ARGV[5]) end
  redis.call('LPUSH', 'outbox:bell', 1)
  redis.call('LTRIM', 'outbox:bell', 0, 31)
end
return count
"""

# ARGV: now, seconds the claim holds, lanes and owners that have enough under way.
# Answers the row that is due first among all others.
CLAIM = (
    _SETTLE_LANE
    + """
local now, skipped, busy = tonumber(ARGV[1]), 0, {}
for i = 3, #ARGV do busy[ARGV[i]] = true end
local function claim(lane)
  local key = 'outbox:lane:' .. lane
  while true do
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if not first[1] or tonumber(first[2]) > now then return nil end
    local row = 'delivery:' .. first[1]
    if redis.call('EXISTS', row) == 1 then
      local until_then = string.format('%.6f', now + ARGV[2])
      redis.call('ZADD', key, until_then, first[1])
      redis.call('HSET', row, 'claimed_until', until_then)
      return redis.call('HGETALL', row)
    end
    redis.call('ZREM', key, first[1])
  end
end
while true do
  local lanes = redis.call('ZRANGE', 'outbox:due', '-inf', now, 'BYSCORE', 'LIMIT', skipped, 100)
  if #lanes == 0 then return {} end
  for _, lane in ipairs(lanes) do
    if busy[lane] or busy[string.match(lane, '^[^ ]*')] then skipped = skipped + 1
    else
      local found = claim(lane)
      settle_lane(lane)
      if found then return found end
    end
  end
end
"""
)

# KEYS: the row, its tries. ARGV: id, lane, claimed_until of the claim, the try ('' for none), status, next try or
# seconds the ended row stays.
# A try is written down in any case; what it means for the delivery only if nobody else has it by now, or if it arrived.
RECORD = (
    _SETTLE_LANE
    + """
local id, lane, status = ARGV[1], ARGV[2], ARGV[5]
if redis.call('EXISTS', KEYS[1]) == 1 then
  if ARGV[4] ~= '' then
    redis.call('RPUSH', KEYS[2], ARGV[4])
    redis.call('LTRIM', KEYS[2], -100, -1)
    redis.call('HINCRBY', KEYS[1], 'tries', 1)
    redis.call('HINCRBY', KEYS[1], 'place', 1)
  end
  local is_ours = tonumber(redis.call('HGET', KEYS[1], 'claimed_until') or 0) == tonumber(ARGV[3])
  if status == 'pending' then
    if is_ours then
      redis.call('ZADD', 'outbox:lane:' .. lane, ARGV[6], id)
      redis.call('HSET', KEYS[1], 'claimed_until', 0)
    end
  elseif is_ours or status == 'delivered' then
    redis.call('HSET', KEYS[1], 'status', status, 'claimed_until', 0)
    redis.call('ZREM', 'outbox:lane:' .. lane, id)
    redis.call('EXPIRE', KEYS[1], ARGV[6])
    redis.call('EXPIRE', KEYS[2], ARGV[6])
  end
else redis.call('ZREM', 'outbox:lane:' .. lane, id) end
settle_lane(lane)
"""
)

# KEYS: the row, its tries, the ledger of the job. ARGV: id, now, seconds the ledger lives.
# Answers 0 if the row is gone, 1 otherwise; a delivery that is being tried right now is left alone.
REDELIVER = (
    _SETTLE_LANE
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'claimed_until') or 0) > tonumber(ARGV[2]) then return 1 end
local lane = redis.call('HGET', KEYS[1], 'lane')
redis.call('HSET', KEYS[1], 'status', 'pending', 'place', 0)
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[2])
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('ZADD', 'outbox:lane:' .. lane, ARGV[2], ARGV[1])
settle_lane(lane)
redis.call('LPUSH', 'outbox:bell', 1)
redis.call('LTRIM', 'outbox:bell', 0, 31)
return 1
"""
)
