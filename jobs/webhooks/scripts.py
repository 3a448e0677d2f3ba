"""Lua scripts of the outbox, each one atomic step inside Redis.

A lane is a queue to one receiver, named `owner receiver`. `outbox:lane:{lane}` holds its deliveries by the time at
which they are due, `outbox:due` holds the lanes by their earliest delivery. A claim makes a delivery due again a minute
later, so the claim of a dead deliverer expires.

The first keys of each script are `OUTBOX_KEYS`. KEYS[1] is the start of the keys of lanes, KEYS[4] of deliveries.
"""

# Updates the place of a lane in `outbox:due`, after a change of the lane.
_UPDATE_LANE = """
local function settle_lane(lane)
  local first = redis.call('ZRANGE', KEYS[1] .. lane, 0, 0, 'WITHSCORES')
  if first[1] then redis.call('ZADD', KEYS[2], first[2], lane)
  else redis.call('ZREM', KEYS[2], lane) end
end
"""

# KEYS: OUTBOX_KEYS, the subscribed endpoints, the ledger of the job.
# ARGV: id of the deliveries without their numbers, owner, now, TTL of a row ('' for none), TTL of the ledger ('' for no
#       entry), lane, url and secret of the request's receiver ('' for none), the fields that all rows share.
# The rows are written in the same transaction as the state that they report. If the reply is lost and the command is
# repeated, nothing is written twice.
FAN_OUT = """
local count = 0
local function add(lane, name, value, other, secret)
  local id = ARGV[1] .. '_' .. count
  local row = KEYS[4] .. id
  count = count + 1
  if redis.call('EXISTS', row) == 1 then return end
  redis.call('HSET', row, 'id', id, 'lane', lane, 'owner', ARGV[2], 'created_at', ARGV[3], name, value, other, secret,
             unpack(ARGV, 9))
  if ARGV[4] ~= '' then redis.call('EXPIRE', row, ARGV[4]) end
  if ARGV[5] ~= '' then redis.call('ZADD', KEYS[6], ARGV[3], id) end
  redis.call('ZADD', KEYS[1] .. lane, ARGV[3], id)
  redis.call('ZADD', KEYS[2], 'LT', ARGV[3], lane)
end
if ARGV[6] ~= '' then add(ARGV[2] .. ' ' .. ARGV[6], 'url', ARGV[7], 'secret', ARGV[8]) end
for _, endpoint in ipairs(redis.call('SMEMBERS', KEYS[5])) do
  add(ARGV[2] .. ' ' .. endpoint, 'endpoint_id', endpoint, 'status', 'pending')
end
if count > 0 then
  if ARGV[5] ~= '' then redis.call('EXPIRE', KEYS[6], ARGV[5]) end
  redis.call('LPUSH', KEYS[3], 1)
  redis.call('LTRIM', KEYS[3], 0, 31)
end
return count
"""

# KEYS: OUTBOX_KEYS. ARGV: now, seconds of the claim, seconds until a lane of another type is tried again, busy lanes
#       and owners.
# Returns lane, id and fields of the row of another lane and owner that is due first; no fields if the row is no hash,
# and an empty id if the lane is no sorted set.
CLAIM = (
    _UPDATE_LANE
    + """
local now, skipped, busy = tonumber(ARGV[1]), 0, {}
for i = 4, #ARGV do busy[ARGV[i]] = true end
local function claim(lane)
  local key = KEYS[1] .. lane
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'zset' and kind ~= 'none' then
    redis.call('ZADD', KEYS[2], string.format('%.6f', now + ARGV[3]), lane)
    return {lane, '', {}}
  end
  while true do
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if not first[1] or tonumber(first[2]) > now then return nil end
    local row = KEYS[4] .. first[1]
    local kind = redis.call('TYPE', row).ok
    if kind ~= 'none' then
      local until_then = string.format('%.6f', now + ARGV[2])
      redis.call('ZADD', key, until_then, first[1])
      if kind ~= 'hash' then return {lane, first[1], {}} end
      redis.call('HSET', row, 'claimed_until', until_then)
      return {lane, first[1], redis.call('HGETALL', row)}
    end
    redis.call('ZREM', key, first[1])
  end
end
while true do
  local lanes = redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', skipped, 100)
  if #lanes == 0 then return {} end
  for _, lane in ipairs(lanes) do
    if busy[lane] or busy[string.match(lane, '^[^ ]*')] then skipped = skipped + 1
    else
      local found = claim(lane)
      if not found or found[2] ~= '' then settle_lane(lane) end
      if found then return found end
    end
  end
end
"""
)

# KEYS: OUTBOX_KEYS, the row, its tries. ARGV: id, lane, claimed_until of the claim, the try ('' for none), status, time
# of the next try or TTL of the ended row.
# The try is always recorded. The status changes only if the claim still holds, or if the delivery arrived.
RECORD = (
    _UPDATE_LANE
    + """
local id, lane, status = ARGV[1], ARGV[2], ARGV[5]
if redis.call('EXISTS', KEYS[5]) == 1 then
  if ARGV[4] ~= '' then
    redis.call('RPUSH', KEYS[6], ARGV[4])
    redis.call('LTRIM', KEYS[6], -100, -1)
    redis.call('HINCRBY', KEYS[5], 'tries', 1)
    redis.call('HINCRBY', KEYS[5], 'place', 1)
  end
  local is_ours = tonumber(redis.call('HGET', KEYS[5], 'claimed_until') or 0) == tonumber(ARGV[3])
  if status == 'pending' then
    if is_ours then
      redis.call('ZADD', KEYS[1] .. lane, ARGV[6], id)
      redis.call('HSET', KEYS[5], 'claimed_until', 0)
    end
  elseif is_ours or status == 'delivered' then
    redis.call('HSET', KEYS[5], 'status', status, 'claimed_until', 0)
    redis.call('ZREM', KEYS[1] .. lane, id)
    redis.call('EXPIRE', KEYS[5], ARGV[6])
    redis.call('EXPIRE', KEYS[6], ARGV[6])
  end
else redis.call('ZREM', KEYS[1] .. lane, id) end
settle_lane(lane)
"""
)

# KEYS: OUTBOX_KEYS. ARGV: lane, id, time at which the delivery is due again.
POSTPONE = (
    _UPDATE_LANE
    + """
redis.call('ZADD', KEYS[1] .. ARGV[1], 'XX', ARGV[3], ARGV[2])
settle_lane(ARGV[1])
"""
)

# KEYS: OUTBOX_KEYS, the row, its tries, the ledger of the job. ARGV: id, now, TTL of the ledger.
# Returns 0 if the row does not exist, 1 otherwise; a claimed delivery does not change.
REDELIVER = (
    _UPDATE_LANE
    + """
if redis.call('EXISTS', KEYS[5]) == 0 then return 0 end
if tonumber(redis.call('HGET', KEYS[5], 'claimed_until') or 0) > tonumber(ARGV[2]) then return 1 end
local lane = redis.call('HGET', KEYS[5], 'lane')
redis.call('HSET', KEYS[5], 'status', 'pending', 'place', 0)
redis.call('PERSIST', KEYS[5])
redis.call('PERSIST', KEYS[6])
redis.call('EXPIRE', KEYS[7], ARGV[3])
redis.call('ZADD', KEYS[1] .. lane, ARGV[2], ARGV[1])
settle_lane(lane)
redis.call('LPUSH', KEYS[3], 1)
redis.call('LTRIM', KEYS[3], 0, 31)
return 1
"""
)
