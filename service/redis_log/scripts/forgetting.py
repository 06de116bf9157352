"""How runs go: by retention, and on demand."""

from __future__ import annotations

from service.redis_log.scripts.script import EVEN_WHEN_FULL, Script

FORGET = Script(
    "forget",
    """
-- KEYS: fence, runs, alerts, live, run, scores, ids, run's alerts, ended, labelled.
-- ARGV: fence, run name, idle since before (ms).
-- Deletes a run with nothing left to score that has been idle for long. Returns 1 when deleted, 2 when only its mark
-- in the index was left.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local run = redis.call('HMGET', KEYS[5], 'updated_ms', 'next', 'summary')
local left = redis.call('EXISTS', KEYS[5])
if left == 1 then
  if tonumber(run[1] or '0') >= tonumber(ARGV[3]) then return 0 end
  local scored = run[3] and struct.unpack('<I4', string.sub(run[3], 2)) or 0
  if scored < tonumber(run[2] or '0') then return 0 end
end
for _, episode in ipairs(redis.call('HKEYS', KEYS[8])) do redis.call('ZREM', KEYS[3], ARGV[2] .. '#' .. episode) end
redis.call('DEL', KEYS[5], KEYS[6], KEYS[7], KEYS[8])
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[4], ARGV[2])
redis.call('ZREM', KEYS[9], ARGV[2])
redis.call('ZREM', KEYS[10], ARGV[2])
return 2 - left
""",
)

ERASE = Script(
    "erase",
    EVEN_WHEN_FULL
    + """
-- KEYS: fence, cursor, counts, alerts, run's alerts, steps, parked, outbox, outbox:parked, closed, feed; runs, live,
--   early, ended, labelled, held; run, scores, ids, run's early, run's held.
-- ARGV: fence, run name, project, run id, portion (entries of up to 2 KB), "1" to erase the run itself too; where to
--   go on in each stream ("-" to begin with).
-- Takes a run's entries out of the streams, a portion at a time; those that are not scored yet count as scored. With
-- the end of all streams in reach, the run itself goes in the same step, so that nothing can come in between.
-- Returns {0} when the fence has moved on and nothing was done; else {2 if all is done, 1 if not, where to go on}.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {0} end
local project, run_id = '"project":"' .. ARGV[3] .. '"', '"run_id":"' .. ARGV[4] .. '"'
local function is_its(entry)
  if entry.r then return entry.r == ARGV[2] end
  if entry.f then return string.find(entry.f, ARGV[2], 1, true) ~= nil end
  local alert = entry.alert or ''
  return string.find(alert, project, 1, true) ~= nil and string.find(alert, run_id, 1, true) ~= nil
end
local function later(one, other)
  local ms, number = string.match(one, '(%d+)-(%d+)')
  local other_ms, other_number = string.match(other, '(%d+)-(%d+)')
  ms, other_ms = tonumber(ms), tonumber(other_ms)
  return ms > other_ms or (ms == other_ms and tonumber(number) > tonumber(other_number))
end
local cursor, unscored = redis.call('HGET', KEYS[2], 'id') or '0-0', 0
local left, answer = tonumber(ARGV[5]), {2}
for s = 1, 6 do
  local stream, start, through = KEYS[5 + s], ARGV[6 + s], false
  while left > 0 and not through do
    local rows = redis.call('XRANGE', stream, start, '+', 'COUNT', 16)
    for _, row in ipairs(rows) do
      local entry = {}
      for f = 1, #row[2], 2 do
        entry[row[2][f]] = row[2][f + 1]
        left = left - #row[2][f + 1] / 2000
      end
      left = left - 1
      if is_its(entry) then
        redis.call('XDEL', stream, row[1])
        if s == 1 and later(row[1], cursor) then unscored = unscored + 1 end
      end
      start = '(' .. row[1]
    end
    through = #rows < 16
  end
  if not through then answer[1] = 1 end
  answer[1 + s] = start
end
if unscored > 0 then redis.call('HINCRBY', KEYS[3], 'scored', unscored) end
if answer[1] == 2 and ARGV[6] == '1' then
  for _, episode in ipairs(redis.call('HKEYS', KEYS[5])) do redis.call('ZREM', KEYS[4], ARGV[2] .. '#' .. episode) end
  for k = 12, 17 do redis.call('ZREM', KEYS[k], ARGV[2]) end
  redis.call('DEL', KEYS[5], unpack(KEYS, 18))
end
return answer
""",
)
