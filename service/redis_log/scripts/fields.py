"""Small records that several may write: exchanged only where what was read still stands."""

from __future__ import annotations

from service.redis_log.scripts.script import Script

SWAP_FIELD = Script(
    "swap field",
    """
-- KEYS: a hash.  ARGV: field, the value that must be there ("" for none), new value.  Returns 1 if it was written.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
""",
)

SWAP_KEY = Script(
    "swap key",
    """
-- KEYS: keys.  ARGV: key id, the record that must be there ("" for none), new record ("" to delete it), new version.
-- Returns 1 if it was written.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
redis.call('HSET', KEYS[1], 'version', ARGV[4])
return 1
""",
)

TAKE_TOKENS = Script(
    "take tokens",
    """
-- KEYS: a project's bucket.  ARGV: tokens a second, the most it holds, tokens needed, tokens to take where there are.
-- Returns {tokens taken: none where fewer than needed are there, tokens left as text}.
local time = redis.call('TIME')
local now, rate, burst = time[1] * 1000000 + time[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local was = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if was[1] then tokens = math.min(burst, tonumber(was[1]) + math.max(0, now - tonumber(was[2])) * rate / 1000000) end
local taken = 0
if tokens >= tonumber(ARGV[3]) then taken = math.min(math.floor(tokens), tonumber(ARGV[4])) end
tokens = tokens - taken
local left = string.format('%.6f', tokens)
redis.call('HSET', KEYS[1], 'tokens', left, 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) / rate * 1000) + 1000)
return {taken, left}
""",
)

NOTE = Script(
    "note",
    """
-- KEYS: a stream.  ARGV: entries to keep, about; fields and values of a new entry.  Returns its id.
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
""",
)

SWAP_FIELDS = Script(
    "swap fields",
    """
-- KEYS: a hash.  ARGV: field, the value that must be there ("" for none), then field and new value each.
-- Returns 1 if they were written.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
""",
)

ACKNOWLEDGE = Script(
    "acknowledge",
    """
-- KEYS: run's alerts.  ARGV: episode, field of its acknowledgement, alert's id, acknowledgement.
-- Returns 1, 0 where the alert was acknowledged before (what was said first stays), nothing when there is no such
-- alert.
local alert = redis.call('HGET', KEYS[1], ARGV[1])
if not alert or cjson.decode(alert).id ~= ARGV[3] then return false end
return redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[4])
""",
)
