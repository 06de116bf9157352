"""Steps that could not be scored."""

from __future__ import annotations

from service.redis_log.scripts.endings import TELL
from service.redis_log.scripts.script import Script

LIST_PARKED = Script(
    "list_parked",
    """
-- KEYS: parked.  ARGV: from this entry id on, "(" before it for after it; entries; "1" to give the raw step too.
-- Returns {id, run name, position, received (us), client id, reason, bytes of the raw step, raw step or ""} each: a
-- listing must not carry megabytes that nobody looks at.
local rows = {}
for i, row in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  local entry = {}
  for f = 1, #row[2], 2 do entry[row[2][f]] = row[2][f + 1] end
  local data = entry.d or ''
  rows[i] = {row[1], entry.r or '', entry.p or '0', entry.t or '0', entry.i or '', entry.why or '', #data,
    ARGV[3] == '1' and data or ''}
end
return rows
""",
)

UNPARK = Script(
    "unpark",
    TELL
    + """
-- KEYS: parked, steps, run, counts, closed.  ARGV: entry id, now (us).
-- Puts a parked entry back at its run's next position, even where the run has ended: it was accepted before.
-- It counts as received now: it waits for a score from now on. Its id in the stream is what the append script wrote.
-- Returns its position, -1 where it is not parked (any more), -2 where the run was deleted meanwhile, -3 where its raw
-- step was not kept.
local row = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not row then return -1 end
local next = redis.call('HGET', KEYS[3], 'next')
if not next then return -2 end
local entry = {}
for f = 1, #row[2], 2 do entry[row[2][f]] = row[2][f + 1] end
if (entry.d or '') == '' then return -3 end
local id = string.gsub(entry.i or '', '%x%x', function(byte) return string.char(tonumber(byte, 16)) end)
redis.call('XADD', KEYS[2], '*', 'r', entry.r, 'p', next, 't', ARGV[2], 'i', id, 'd', entry.d)
redis.call('HSET', KEYS[3], 'next', next + 1, 'updated_ms', math.floor(tonumber(ARGV[2]) / 1000))
redis.call('HINCRBY', KEYS[4], 'appended', 1)
redis.call('XDEL', KEYS[1], ARGV[1])
-- The archive has it at both positions, and is told that they are one step.
tell(KEYS[5], KEYS[3], entry.r, 'released', 'from', entry.p, 'to', next)
return tonumber(next)
""",
)
