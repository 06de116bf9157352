"""The Lua scripts of alert delivery, version 1: each is one atomic step of a delivery's life, and safe to repeat.

All keys of a call lie in one partition's hash slot; keys of single deliveries are built from the partition's
prefix, which every script gets as its first argument. Commands stay within Redis 6.2. Clocks are the caller's, in
milliseconds.

    fan out ──▶ pending ──claim──▶ (sending) ──settle──▶ delivered | failed | expired | acknowledged | lapsed
                   ▲                   │  │                     │
                   └── claim lapses ───┘  └─ settle: next try,  └── redeliver ──▶ pending
                                             or held back
"""

from __future__ import annotations

from service.redis_log.scripts import Script

_REINDEX = """
local function reindex(due, index, webhook)
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', index, first[2], webhook) else redis.call('ZREM', index, webhook) end
end
"""

FAN_OUT = Script(
    "fan out",
    """
-- KEYS: outbox, due index.  ARGV: prefix, entry id, now, keep_ms, then 8 values for each delivery.
-- Returns the number of deliveries made, or -1 when somebody else has already fanned this entry out.
local prefix, entry, now, keep_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if #redis.call('XRANGE', KEYS[1], entry, entry) == 0 then return -1 end
local made = 0
for i = 5, #ARGV, 8 do
  local id, webhook = ARGV[i], ARGV[i + 1]
  local key = prefix .. 'delivery:' .. id
  if redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'id', id, 'webhook_id', webhook, 'alert_id', ARGV[i + 2], 'project', ARGV[i + 3],
      'run_id', ARGV[i + 4], 'body', ARGV[i + 5], 'alert_ms', ARGV[i + 6], 'expires_ms', ARGV[i + 7],
      'created_ms', now, 'state', 'pending', 'attempts', 0, 'tries', 0, 'next_ms', now)
    redis.call('ZADD', prefix .. 'due:' .. webhook, now, id)
    redis.call('ZADD', KEYS[2], 'LT', now, webhook)
    local known = prefix .. 'deliveries:' .. webhook
    redis.call('ZADD', known, now, id)
    redis.call('ZREMRANGEBYSCORE', known, '-inf', now - keep_ms)
    redis.call('PEXPIRE', known, keep_ms)
    made = made + 1
  end
end
redis.call('XDEL', KEYS[1], entry)
return made
""",
)

PARK = Script(
    "park",
    """
-- KEYS: outbox, parked.  ARGV: entry id, raw value, reason.  Moves an unreadable entry aside, once.
if redis.call('XDEL', KEYS[1], ARGV[1]) == 1 then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 1000, '*', 'entry', ARGV[1], 'alert', ARGV[2], 'reason', ARGV[3])
  return 1
end
return 0
""",
)

CLAIM = Script(
    "claim",
    _REINDEX
    + """
-- KEYS: the webhook's due, due index.  ARGV: prefix, webhook, now, claimed until, limit.
-- Takes what is due and hides it until the claim lapses; so a crash between sending and settling means another try.
local prefix, webhook, until_ms = ARGV[1], ARGV[2], ARGV[4]
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[3], 'LIMIT', 0, ARGV[5])) do
  local key = prefix .. 'delivery:' .. id
  if redis.call('EXISTS', key) == 1 then
    redis.call('HINCRBY', key, 'attempts', 1)
    redis.call('HINCRBY', key, 'tries', 1)
    redis.call('HSET', key, 'next_ms', until_ms)
    redis.call('ZADD', KEYS[1], until_ms, id)
    claimed[#claimed + 1] = redis.call('HGETALL', key)
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
reindex(KEYS[1], KEYS[2], webhook)
return claimed
""",
)

SETTLE = Script(
    "settle",
    _REINDEX
    + """
-- KEYS: delivery, the webhook's due, due index.
-- ARGV: id, webhook, the attempt settled, new state, next try (ms), keep (ms), then field and value pairs to write.
-- Returns 1 when written. A verdict other than 'delivered' counts only from the latest attempt; the end is final.
local id, webhook, attempt, state = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local written = 0
local was = redis.call('HMGET', KEYS[1], 'state', 'attempts')
if was[1] == 'pending' and (state == 'delivered' or was[2] == attempt) then
  redis.call('HSET', KEYS[1], 'state', state, 'next_ms', ARGV[5], unpack(ARGV, 7))
  if state == 'pending' then
    redis.call('ZADD', KEYS[2], ARGV[5], id)
  else
    redis.call('ZREM', KEYS[2], id)
    redis.call('PEXPIRE', KEYS[1], ARGV[6])
  end
  written = 1
elseif was[1] ~= 'pending' then
  redis.call('ZREM', KEYS[2], id)
end
reindex(KEYS[2], KEYS[3], webhook)
return written
""",
)

REDELIVER = Script(
    "redeliver",
    """
-- KEYS: delivery, the webhook's due, due index, outbox.  ARGV: id, webhook, now, expires.
-- Makes the delivery due now, whatever its state, and wakes the partition's owner. Returns 1, or 0 when there is none.
if redis.call('HGET', KEYS[1], 'webhook_id') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'pending', 'tries', 0, 'held', 0, 'next_ms', ARGV[3],
  'expires_ms', ARGV[4])
redis.call('PERSIST', KEYS[1])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], 'LT', ARGV[3], ARGV[2])
redis.call('XADD', KEYS[4], '*', 'wake', ARGV[1])
return 1
""",
)

NOTE_ATTEMPT = Script(
    "note attempt",
    """
-- KEYS: the project's webhooks, the webhook's health.  ARGV: webhook, 1 if delivered, now, error.
-- Returns failures since the last success, and when the first of them was. A deleted webhook leaves nothing behind.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {0, 0} end
if ARGV[2] == '1' then
  redis.call('HDEL', KEYS[2], 'failures', 'since_ms', 'error')
  redis.call('HSET', KEYS[2], 'last_success_ms', ARGV[3])
  return {0, 0}
end
redis.call('HSETNX', KEYS[2], 'since_ms', ARGV[3])
redis.call('HSET', KEYS[2], 'error', ARGV[4])
return {redis.call('HINCRBY', KEYS[2], 'failures', 1), tonumber(redis.call('HGET', KEYS[2], 'since_ms'))}
""",
)

HURRY = Script(
    "hurry",
    """
-- KEYS: the webhook's due, due index, outbox.  ARGV: prefix, webhook, now.
-- What was held back for the webhook is due now, to be judged anew; the partition's owner is woken. Returns how many.
local hurried = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[3], '+inf')) do
  local key = ARGV[1] .. 'delivery:' .. id
  if redis.call('HGET', key, 'held') == '1' then
    redis.call('HSET', key, 'next_ms', ARGV[3])
    redis.call('ZADD', KEYS[1], ARGV[3], id)
    hurried = hurried + 1
  end
end
if hurried > 0 then
  redis.call('ZADD', KEYS[2], 'LT', ARGV[3], ARGV[2])
  redis.call('XADD', KEYS[3], '*', 'wake', ARGV[2])
end
return hurried
""",
)
