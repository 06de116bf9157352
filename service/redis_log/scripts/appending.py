"""The way in: steps of many runs at once."""

from __future__ import annotations

from service.redis_log.scripts.script import Script
from service.redis_log.scripts.streams import STREAM

# Codes of an append group.
STORED, CLOSED, FULL, BACKLOG, CROWDED = 0, 1, 2, 3, 4
# Answers to one step of a stored group: its position; -1 - p repeats the step at position p; or one of these.
EARLY, REPEATS_EARLY, LATE, REUSED = -(2**40), -(2**41), -(2**42), -(2**43)
SEQ_WINDOW = 64
# A position and the CRC-32 of the step share one score of the run's ids: exact in a double up to position 2^20.
MOST_STEPS_PER_RUN = 2**20

APPEND = Script(
    "append",
    STREAM
    + """
-- KEYS: steps, runs, counts, live, early, then (run, ids, run's early) for each group.
-- ARGV: now (ms), steps per run, backlog, live runs, id window, seq window, groups, choices, each choice of monitors,
-- then for each group: run name, number of its choice, received (us), count, then (id, seq, data) each; id is "" or 12
-- bytes of digest and 4 of the step's CRC-32, seq "" or a number. A choice is a monitor's id, or JSON with the ids
-- monitor and shadow and by_agent, agent → id.
-- Returns for each group {code, answer to each step ...}, or {code} where none of it was stored; at last how many steps
-- of the partition wait to be scored.
-- A run's first steps settle its monitor and its shadow, and whose threshold it has: by the agent named by then,
-- whoever is named later.
local now_ms, most, backlog, crowd = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local window, reach = tonumber(ARGV[5]), tonumber(ARGV[6])
local counts = redis.call('HMGET', KEYS[3], 'appended', 'scored')
local length = tonumber(counts[1] or '0') - tonumber(counts[2] or '0')
local choices = {}
local function choose(index, agent)
  local choice = choices[index] or ARGV[8 + index]
  if type(choice) == 'string' then
    choice = string.sub(choice, 1, 1) == '{' and cjson.decode(choice) or {monitor = choice, shadow = '', by_agent = {}}
    choices[index] = choice
  end
  return agent and choice.by_agent[agent] or choice.monitor, choice.shadow
end
local appended, answers, a = 0, {}, 9 + tonumber(ARGV[8])
for g = 1, tonumber(ARGV[7]) do
  local run, ids, early = KEYS[3 + 3 * g], KEYS[4 + 3 * g], KEYS[5 + 3 * g]
  local name, chosen, now, count = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2], tonumber(ARGV[a + 3])
  local first = a + 4
  a = first + 3 * count
  local known = redis.call('HMGET', run, 'next', 'ended_ms', 'agent', 'seq', 'expired')
  local next, expected = tonumber(known[1] or '0'), tonumber(known[4] or '0')
  local begun = next
  -- What is known already, and how many steps there are to store; nothing is written yet.
  local fresh, repeats, seen, ordered, named = 0, {}, {}, false, false
  for i = 0, count - 1 do
    local id, seq = ARGV[first + 3 * i], ARGV[first + 3 * i + 1]
    local digest = string.sub(id, 1, 12)
    if seq ~= '' then ordered = true end
    if id ~= '' then
      named = true
      local mark = redis.call('ZSCORE', ids, digest)
      local was, crc
      if mark then
        was = math.floor(tonumber(mark) / 4294967296)
        crc = tonumber(mark) - was * 4294967296
      elseif seen[digest] then was, crc = false, seen[digest] end
      if crc then
        repeats[i] = was or digest
        if crc ~= struct.unpack('>I4', string.sub(id, 13)) then repeats[i] = 'reused' end
      else seen[digest] = struct.unpack('>I4', string.sub(id, 13)) end
    end
    if not repeats[i] and not (seq ~= '' and tonumber(seq) < expected) then fresh = fresh + 1 end
  end
  local early_before = (ordered or known[4]) and redis.call('HLEN', early) or 0
  local answer = {0}
  if fresh > 0 and known[2] then answer[1] = 1
  elseif next + early_before + fresh > most then answer[1] = 2
  elseif fresh > 0 and length + fresh > backlog then answer[1] = 3
  elseif fresh > 0 and not known[1] and redis.call('ZSCORE', KEYS[4], name) == false
    and redis.call('ZCARD', KEYS[4]) >= crowd then answer[1] = 4
  else
    if fresh > 0 and not known[1] then
      if redis.call('HSETNX', run, 'created_ms', now_ms) == 1 then redis.call('ZADD', KEYS[2], now_ms, name) end
      local monitor, shadow = choose(chosen, known[3])
      redis.call('HSET', run, 'monitor', monitor)
      if shadow ~= '' and shadow ~= monitor then redis.call('HSET', run, 'shadow', shadow) end
      if known[3] then redis.call('HSET', run, 'group', known[3]) end
      redis.call('ZADD', KEYS[4], 'NX', now_ms, name)
    end
    local places = {}
    for i = 0, count - 1 do
      local id, seq, data = ARGV[first + 3 * i], ARGV[first + 3 * i + 1], ARGV[first + 3 * i + 2]
      local digest, said = string.sub(id, 1, 12), repeats[i]
      if said == 'reused' then said = -8796093022208
      elseif said then
        if type(said) == 'string' then said = places[said] end
        said = said and (said >= 0 and -1 - said or said) or -2199023255552
      elseif seq == '' then
        put(KEYS[1], ids, name, next, now, id, data)
        said, next = next, next + 1
      else
        seq = tonumber(seq)
        local field = string.format('%.0f', seq)
        if seq >= expected + reach then
          -- The window moves on: what is missing before it is given up, and is late from now on.
          next = settle(KEYS[1], ids, early, name, next, expected, seq - reach + 1)
          next, expected = settle(KEYS[1], ids, early, name, next, seq - reach + 1)
        end
        local waits = seq > expected and redis.call('HGET', early, field)
        if seq < expected then
          -- Late, unless it repeats an early step that this very request has let in.
          local mark = redis.call('ZSCORE', ids, digest)
          local was = mark and math.floor(tonumber(mark) / 4294967296)
          if not mark then said = -4398046511104
          elseif tonumber(mark) - was * 4294967296 == struct.unpack('>I4', string.sub(id, 13)) then said = -1 - was
          else said = -8796093022208 end
        elseif seq == expected then
          put(KEYS[1], ids, name, next, now, id, data)
          said = next
          next, expected = settle(KEYS[1], ids, early, name, next + 1, expected + 1)
        elseif waits then
          said = string.sub(cmsgpack.unpack(waits)[1], 13) == string.sub(id, 13) and -2199023255552 or -8796093022208
        else
          redis.call('HSET', early, field, cmsgpack.pack({id, now, data}))
          redis.call('ZADD', KEYS[5], 'NX', now_ms, name)
          said = -1099511627776
        end
      end
      if id ~= '' and not repeats[i] then places[digest] = said end
      answer[i + 2] = said
    end
    if named then redis.call('ZREMRANGEBYSCORE', ids, '-inf', (next - window) * 4294967296 - 1) end
    if fresh > 0 then redis.call('HSET', run, 'next', next, 'updated_ms', now_ms) end
    if ordered then
      redis.call('HSET', run, 'seq', string.format('%.0f', expected))
      if redis.call('EXISTS', early) == 0 then redis.call('ZREM', KEYS[5], name) end
    end
    if fresh > 0 and known[5] then
      -- It was thought to be over for want of steps, and goes on.
      redis.call('HDEL', run, 'expired')
      redis.call('ZADD', KEYS[4], 'NX', now_ms, name)
    end
    length = length + next - begun
    appended = appended + next - begun
  end
  answers[g] = answer
end
if appended > 0 then redis.call('HINCRBY', KEYS[3], 'appended', appended) end
answers[#answers + 1] = length
return answers
""",
)
