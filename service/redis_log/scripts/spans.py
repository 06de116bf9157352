"""Spans, which are put in order by when they ended before they get a position."""

from __future__ import annotations

from service.redis_log.scripts.script import Script
from service.redis_log.scripts.streams import RELEASE_HELD, STREAM

HOLD = Script(
    "hold",
    """
-- KEYS: runs, counts, live, held, then (run, ids, run's held, run's early) for each group.
-- ARGV: now (ms), steps per run, backlog, live runs, groups, then for each group: run name, choice of monitors (see
-- APPEND), agent, service, received (us), count, then (mark, when it ended, data) each; the mark is 12 bytes of the
-- id's digest and 4 that are 0, since a span is known by its id alone; the time has 20 digits.
-- Returns as APPEND does; what is held has no position yet, and counts as appended all the same: it waits to be scored.
local now_ms, most, backlog, crowd = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local counts = redis.call('HMGET', KEYS[2], 'appended', 'scored')
local length = tonumber(counts[1] or '0') - tonumber(counts[2] or '0')
local stored, answers, a = 0, {}, 6
for g = 1, tonumber(ARGV[5]) do
  local run, ids, held, early = KEYS[1 + 4 * g], KEYS[2 + 4 * g], KEYS[3 + 4 * g], KEYS[4 + 4 * g]
  local name, choice, agent, service, received = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
  local count, first = tonumber(ARGV[a + 5]), a + 6
  a = first + 3 * count
  local known = redis.call('HMGET', run, 'next', 'ended_ms', 'expired')
  local said, seen, fresh = {}, {}, 0
  for i = 0, count - 1 do
    local digest = string.sub(ARGV[first + 3 * i], 1, 12)
    local mark = redis.call('ZSCORE', ids, digest)
    if mark then said[i] = -1 - math.floor(tonumber(mark) / 4294967296)
    elseif seen[digest] or redis.call('HEXISTS', held, digest) == 1 then said[i] = -2199023255552
    else
      seen[digest] = true
      fresh = fresh + 1
    end
  end
  local answer, waiting = {0}, redis.call('HLEN', held) + redis.call('HLEN', early)
  if fresh > 0 and known[2] then answer[1] = 1
  elseif fresh > 0 and tonumber(known[1] or '0') + waiting + fresh > most then answer[1] = 2
  elseif fresh > 0 and length + fresh > backlog then answer[1] = 3
  elseif fresh > 0 and not known[1] and redis.call('ZSCORE', KEYS[3], name) == false
    and redis.call('ZCARD', KEYS[3]) >= crowd then answer[1] = 4
  else
    if fresh > 0 then
      if redis.call('HSETNX', run, 'created_ms', now_ms) == 1 then redis.call('ZADD', KEYS[1], now_ms, name) end
      if not known[1] then
        redis.call('HSET', run, 'choice', choice)
        if service ~= '' then redis.call('HSETNX', run, 'service', service) end
      end
      if agent ~= '' then redis.call('HSETNX', run, 'agent', agent) end
      if not known[1] or known[3] then redis.call('ZADD', KEYS[3], 'NX', now_ms, name) end
      if known[3] then redis.call('HDEL', run, 'expired') end
      redis.call('HSET', run, 'updated_ms', now_ms)
      redis.call('ZADD', KEYS[4], 'NX', now_ms, name)
    end
    for i = 0, count - 1 do
      local mark, ended, data = ARGV[first + 3 * i], ARGV[first + 3 * i + 1], ARGV[first + 3 * i + 2]
      if not said[i] then
        said[i] = -1099511627776
        redis.call('HSET', held, string.sub(mark, 1, 12), cmsgpack.pack({ended, i, received, mark, data}))
      end
      answer[i + 2] = said[i]
    end
    length = length + fresh
    stored = stored + fresh
  end
  answers[g] = answer
end
if stored > 0 then redis.call('HINCRBY', KEYS[2], 'appended', stored) end
answers[#answers + 1] = length
return answers
""",
)

SETTLE_HELD = Script(
    "settle held",
    STREAM
    + RELEASE_HELD
    + """
-- KEYS: run, steps, counts, held, ids, run's held.  ARGV: run name, waiting since before (ms).
-- Gives spans that have waited so long their places, and those that ended before them. Returns 1, or 0 where none has.
local since = redis.call('ZSCORE', KEYS[4], ARGV[1])
if not since or tonumber(since) >= tonumber(ARGV[2]) then return 0 end
release_held(KEYS[2], KEYS[3], KEYS[4], KEYS[1], KEYS[5], KEYS[6], ARGV[1], tonumber(ARGV[2]))
return 1
""",
)
