"""What a batch changes, at once, and what leaves the stream after it."""

from __future__ import annotations

from service.redis_log.scripts.endings import TALLY
from service.redis_log.scripts.script import EVEN_WHEN_FULL, Script

COMMIT = Script(
    "commit",
    EVEN_WHEN_FULL
    + TALLY
    + """
-- KEYS: fence, cursor, counts, steps, outbox, parked, alerts, feed, tally, shadows, then (run, scores, run's alerts)
-- for each run.
-- ARGV: fence, new cursor, entries, first entry id to keep in the stream ("" leaves it to the archive), channel, frame,
--   frame for the feed, entries that the feed keeps, parked, (run, position, received, client id, reason, data) each,
--   entries that leave the stream now, their ids,
--   counts of shadows, (field, amount to add) each,
--   runs, then for each run: name if the scores may move it in the tally (else ""), state (empty leaves the one
--   before), summary, offset of the scores, scores, the shadow's state, its summary (empty leaves both; without a
--   state it is dropped), alerts, (member, episode, time (ms), JSON) each; without a member the alert is hidden: it
--   stays with the run alone.
-- Returns 1, or 0 when the fence has moved on and nothing was written.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local a = 10
for _ = 1, tonumber(ARGV[9]) do
  redis.call('XADD', KEYS[6], '*', 'r', ARGV[a], 'p', ARGV[a + 1], 't', ARGV[a + 2], 'i', ARGV[a + 3],
    'why', ARGV[a + 4], 'd', ARGV[a + 5])
  a = a + 6
end
for i = 1, tonumber(ARGV[a]) do redis.call('XDEL', KEYS[4], ARGV[a + i]) end
a = a + 1 + tonumber(ARGV[a])
for _ = 1, tonumber(ARGV[a]) do
  redis.call('HINCRBYFLOAT', KEYS[10], ARGV[a + 1], ARGV[a + 2])
  a = a + 2
end
local runs = tonumber(ARGV[a + 1])
a = a + 2
for r = 0, runs - 1 do
  local run, scores, alerts = KEYS[11 + 3 * r], KEYS[12 + 3 * r], KEYS[13 + 3 * r]
  local name = ARGV[a]
  local counted = name ~= '' and field_of(run, name)
  a = a + 1
  redis.call('HSET', run, 'summary', ARGV[a + 1])
  if ARGV[a] ~= '' then redis.call('HSET', run, 'state', ARGV[a]) end
  redis.call('SETRANGE', scores, ARGV[a + 2], ARGV[a + 3])
  if ARGV[a + 5] ~= '' then
    redis.call('HSET', run, 'shadow_summary', ARGV[a + 5])
    if ARGV[a + 4] == '' then redis.call('HDEL', run, 'shadow_state')
    else redis.call('HSET', run, 'shadow_state', ARGV[a + 4]) end
  end
  local opened = tonumber(ARGV[a + 6])
  a = a + 7
  for _ = 1, opened do
    if ARGV[a] == '' then redis.call('HSET', alerts, 'hidden:' .. ARGV[a + 1], ARGV[a + 3])
    else
      redis.call('HSET', alerts, ARGV[a + 1], ARGV[a + 3])
      redis.call('ZADD', KEYS[7], ARGV[a + 2], ARGV[a])
      redis.call('XADD', KEYS[5], '*', 'alert', ARGV[a + 3])
    end
    a = a + 4
  end
  if name ~= '' then move(KEYS[9], counted, field_of(run, name)) end
end
redis.call('HSET', KEYS[2], 'id', ARGV[2], 'attempts', 0, 'suspect', '', 'suspicion', 0)
redis.call('HINCRBY', KEYS[3], 'scored', ARGV[3])
if ARGV[4] ~= '' then redis.call('XTRIM', KEYS[4], 'MINID', ARGV[4]) end
redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[8], '*', 'f', ARGV[7])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
""",
)

TRIM = Script(
    "trim",
    EVEN_WHEN_FULL
    + """
-- KEYS: fence, cursor, steps.  ARGV: fence, the last entry archived, first entry id to keep in the stream.
-- Takes out of the stream what is scored and archived. Returns 0 when the fence has moved on and nothing was done.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'archived', ARGV[2])
redis.call('XTRIM', KEYS[3], 'MINID', ARGV[3])
return 1
""",
)
