"""What callers say of runs, and how runs end."""

from __future__ import annotations

from service.redis_log.scripts.endings import TALLY, TELL
from service.redis_log.scripts.script import Script
from service.redis_log.scripts.streams import RELEASE_EARLY, RELEASE_HELD

DESCRIBE = Script(
    "describe",
    TELL
    + """
-- KEYS: run, runs, live, closed.  ARGV: run name, now (ms), monitor, live runs, then field and value pairs.
-- Returns 1 if the run is new, -1 where there are as many as there may be.
local fresh = redis.call('EXISTS', KEYS[1]) == 0 and 1 or 0
if fresh == 1 and redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[4]) then return -1 end
if fresh == 1 then
  redis.call('HSET', KEYS[1], 'created_ms', ARGV[2])
  redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
  redis.call('HSET', KEYS[1], 'updated_ms', ARGV[2], 'monitor', ARGV[3])
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
local over = redis.call('HMGET', KEYS[1], 'ended_ms', 'expired')
if over[1] or over[2] then tell(KEYS[4], KEYS[1], ARGV[1], 'described') end
return fresh
""",
)

CLOSE = Script(
    "close",
    RELEASE_EARLY
    + RELEASE_HELD
    + TELL
    + TALLY
    + """
-- KEYS: run, steps, counts, live, early, ids, run's early, closed, ended, labelled, tally, held, run's held.
-- ARGV: run name, now (ms), then field and value pairs (an empty value deletes the field).
-- Ends the run if it has not ended yet; its early steps and its spans wait no longer. An outcome that changes what was
-- said before counts as said now. Returns 0 when there is no such run, 1, or 2 where the outcome was new or another
-- one.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local counted = field_of(KEYS[1], ARGV[1])
local said = redis.call('HMGET', KEYS[1], 'success', 'intervened')
if redis.call('EXISTS', KEYS[7]) == 1 then release(KEYS[2], KEYS[3], KEYS[5], KEYS[1], KEYS[6], KEYS[7], ARGV[1]) end
if redis.call('EXISTS', KEYS[13]) == 1 then
  release_held(KEYS[2], KEYS[3], KEYS[12], KEYS[1], KEYS[6], KEYS[13], ARGV[1], math.huge)
end
redis.call('HSETNX', KEYS[1], 'ended_ms', ARGV[2])
redis.call('HSET', KEYS[1], 'updated_ms', ARGV[2])
redis.call('HDEL', KEYS[1], 'expired')
redis.call('ZREM', KEYS[4], ARGV[1])
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i])
  else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
tell(KEYS[8], KEYS[1], ARGV[1], ARGV[3] and 'outcome' or 'end')
redis.call('ZADD', KEYS[9], 'NX', ARGV[2], ARGV[1])
local says = redis.call('HMGET', KEYS[1], 'success', 'intervened')
local changed = says[1] ~= said[1] or says[2] ~= said[2]
if changed and says[1] then
  redis.call('HSET', KEYS[1], 'outcome_ms', ARGV[2])
  redis.call('ZADD', KEYS[10], ARGV[2], ARGV[1])
elseif changed then
  redis.call('HDEL', KEYS[1], 'outcome_ms')
  redis.call('ZREM', KEYS[10], ARGV[1])
end
move(KEYS[11], counted, field_of(KEYS[1], ARGV[1]))
return changed and 2 or 1
""",
)

SETTLE_EARLY = Script(
    "settle early",
    RELEASE_EARLY
    + """
-- KEYS: run, steps, counts, early, ids, run's early.  ARGV: run name, waiting since before (ms).
-- Ends the wait of early steps that have waited so long. Returns 1, or 0 where they have not.
local since = redis.call('ZSCORE', KEYS[4], ARGV[1])
if not since or tonumber(since) >= tonumber(ARGV[2]) then return 0 end
release(KEYS[2], KEYS[3], KEYS[4], KEYS[1], KEYS[5], KEYS[6], ARGV[1])
return 1
""",
)

EXPIRE = Script(
    "expire",
    TELL
    + """
-- KEYS: run, live, closed.  ARGV: run name, idle since before (ms).
-- Takes a run without a step for so long off the live ones, and returns 1; a later step brings it back.
local updated = redis.call('HGET', KEYS[1], 'updated_ms')
if updated and tonumber(updated) >= tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[2], updated, ARGV[1])
  return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
if updated then
  redis.call('HSET', KEYS[1], 'expired', 1)
  tell(KEYS[3], KEYS[1], ARGV[1], 'expired')
end
return 1
""",
)
