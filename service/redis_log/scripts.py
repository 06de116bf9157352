"""Every Lua script of the service's core, version 2. Each touches one hash slot, is atomic, and stays within Redis 6.2.

Clocks are the caller's. What may refuse checks everything before it writes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha1

Argument = bytes | str | int | float


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the name that Redis knows it by."""

    name: str
    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class Call:
    """A script with its keys (all of one slot) and arguments."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument]


@cache
def for_many(script: Script) -> Script:
    """The script that does in one call what `script` does in several; see `join`."""
    return Script(f"many of {script.name}", _MANY % script.text)


def join(calls: Sequence[Call]) -> Call:
    """Calls of one script as a single call, whose answer is the list of theirs; one that fails has its error there.

    For a server that has all slots. By the bench, before: a step cost Redis 75 µs in batches of 32 over 8 partitions,
    and 34 in wide ones.
    """
    sizes = [size for call in calls for size in (len(call.keys), len(call.arguments))]
    return Call(
        for_many(calls[0].script),
        [key for call in calls for key in call.keys],
        [len(calls), *sizes, *[argument for call in calls for argument in call.arguments]],
    )


_MANY = """
local function one(KEYS, ARGV)
%s
end
local answers, k, a = {}, 0, 1 + 2 * tonumber(ARGV[1])
for call = 1, tonumber(ARGV[1]) do
  local n_keys, n_arguments = tonumber(ARGV[2 * call]), tonumber(ARGV[2 * call + 1])
  local keys, arguments = {}, {}
  for i = 1, n_keys do keys[i] = KEYS[k + i] end
  for i = 1, n_arguments do arguments[i] = ARGV[a + i] end
  k, a = k + n_keys, a + n_arguments
  local done, answer = pcall(one, keys, arguments)
  if not done and type(answer) ~= 'table' then answer = redis.error_reply(answer) end
  answers[call] = answer == nil and false or answer
end
return answers
"""


# Codes of an append group.
STORED, CLOSED, FULL, BACKLOG, CROWDED = 0, 1, 2, 3, 4
# Answers to one step of a stored group: its position; -1 - p repeats the step at position p; or one of these.
EARLY, REPEATS_EARLY, LATE, REUSED = -(2**40), -(2**41), -(2**42), -(2**43)
ID_WINDOW = 1024
SEQ_WINDOW = 64
# A position and the CRC-32 of the step share one score of the run's ids: exact in a double up to position 2^20.
MOST_STEPS_PER_RUN = 2**20

# What is true of a partition, in the scripts that put steps into its stream.
STREAM = """
local function put(steps, ids, name, position, received, id, data)
  local digest = string.sub(id, 1, 12)
  redis.call('XADD', steps, '*', 'r', name, 'p', position, 't', received, 'i', digest, 'd', data)
  if id ~= '' then redis.call('ZADD', ids, position * 4294967296 + struct.unpack('>I4', string.sub(id, 13)), digest) end
end
-- Put the early steps from `seq` on into the stream while each is followed by the next, or (`all`) whatever is missing.
-- Returns the next position and the next seq.
local function settle(steps, ids, early, name, position, seq, all)
  local waiting
  if all then
    waiting = redis.call('HKEYS', early)
    for i, one in ipairs(waiting) do waiting[i] = tonumber(one) end
    table.sort(waiting)
  end
  local i = 1
  while true do
    if waiting then
      if not waiting[i] or waiting[i] >= all then break end
      seq, i = waiting[i], i + 1
    end
    local field = string.format('%.0f', seq)
    local step = redis.call('HGET', early, field)
    if not step then break end
    redis.call('HDEL', early, field)
    local id, received, data = unpack(cmsgpack.unpack(step))
    if id == '' or not redis.call('ZSCORE', ids, string.sub(id, 1, 12)) then
      put(steps, ids, name, position, received, id, data)
      position = position + 1
    end
    seq = seq + 1
  end
  return position, seq
end
"""

# What the archive keeps of a run that is over, beside its steps.
ENDING_FIELDS = (
    "created_ms",
    "ended_ms",
    "expired",
    "next",
    "agent",
    "task",
    "tags",
    "monitor",
    "success",
    "intervened",
    "summary",
)

# Says to the archive how a run stands: in the very script that changes it, so that no word of it gets lost.
_TELL = f"""
local function tell(closed, run, name, what, ...)
  local fields = {{'{"', '".join(ENDING_FIELDS)}'}}
  local row = {{'r', name, 'w', what, ...}}
  for i, value in ipairs(redis.call('HMGET', run, unpack(fields))) do
    if value then
      row[#row + 1] = fields[i]
      row[#row + 1] = value
    end
  end
  redis.call('XADD', closed, '*', unpack(row))
end
"""

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

DESCRIBE = Script(
    "describe",
    _TELL
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

# Ends the wait of a run's early steps: they go into the stream in order, whatever is missing between them.
_RELEASE = (
    STREAM
    + """
local function release(steps, counts, index, run, ids, early, name)
  local known = redis.call('HMGET', run, 'next', 'seq')
  local begun = tonumber(known[1] or '0')
  local next, seq = settle(steps, ids, early, name, begun, tonumber(known[2] or '0'), math.huge)
  redis.call('ZREM', index, name)
  redis.call('HSET', run, 'seq', string.format('%.0f', seq), 'next', next)
  redis.call('HINCRBY', counts, 'appended', next - begun)
end
"""
)

# Puts spans that wait into the stream, by when they ended: those that have arrived before `before` (ms) and all that
# ended before any of them.
RELEASE_HELD = """
local function release_held(steps, counts, index, run, ids, held, name, before)
  local waiting, flat, last = {}, redis.call('HGETALL', held), ''
  for i = 1, #flat, 2 do
    local ended, place, received, id, data = unpack(cmsgpack.unpack(flat[i + 1]))
    waiting[#waiting + 1] = {ended, tonumber(received), place, received, id, data, flat[i]}
    if tonumber(received) / 1000 < before and ended > last then last = ended end
  end
  table.sort(waiting, function(a, b)
    for i = 1, 3 do if a[i] ~= b[i] then return a[i] < b[i] end end
    return false
  end)
  local known = redis.call('HMGET', run, 'next', 'agent', 'service', 'created_ms', 'choice')
  if not known[4] then
    -- The run was deleted meanwhile, and what waited goes with it.
    redis.call('DEL', held)
    redis.call('ZREM', index, name)
    redis.call('HINCRBY', counts, 'appended', -#waiting)
    return
  end
  local next = tonumber(known[1] or '0')
  local oldest
  for _, span in ipairs(waiting) do
    if span[1] <= last then
      if not known[1] then
        -- Its first steps settle what they do in APPEND.
        local agent, choice = known[2] or known[3], known[5]
        if agent then redis.call('HSET', run, 'agent', agent, 'group', agent) end
        if choice and string.sub(choice, 1, 1) == '{' then
          choice = cjson.decode(choice)
          local monitor = agent and choice.by_agent[agent] or choice.monitor
          redis.call('HSET', run, 'monitor', monitor)
          if choice.shadow ~= '' and choice.shadow ~= monitor then redis.call('HSET', run, 'shadow', choice.shadow) end
        elseif choice then redis.call('HSET', run, 'monitor', choice) end
        redis.call('HDEL', run, 'choice', 'service')
        known[1] = true
      end
      put(steps, ids, name, next, span[4], span[5], span[6])
      redis.call('HDEL', held, span[7])
      next = next + 1
    elseif not oldest or span[2] < oldest then oldest = span[2] end
  end
  if known[1] then redis.call('HSET', run, 'next', next) end
  redis.call('ZREMRANGEBYSCORE', ids, '-inf', (next - ID_WINDOW) * 4294967296 - 1)
  if oldest then redis.call('ZADD', index, math.floor(oldest / 1000), name) else redis.call('ZREM', index, name) end
end
""".replace("ID_WINDOW", str(ID_WINDOW))

# Counts runs that are over. A run's field of the tally is `<project>:<monitor>:<rule>:<kind>`; the kind is four signs:
# outcome (1 success, 0 failure, u none), intervened, alerted (told or not), control run. A run without a score is not
# counted.
# Whatever a script changes of a run, it asks `field_of` before and after, and moves the run from one to the other.
TALLY = """
local function field_of(run, name)
  local known = redis.call('HMGET', run, 'summary', 'ended_ms', 'success', 'intervened', 'monitor')
  local summary = known[1]
  if not summary or not (known[2] or known[3]) then return false end
  local alerts, control, rule = struct.unpack('<I4', string.sub(summary, 10, 13)), 0, 0
  if #summary >= 85 then
    alerts = alerts + struct.unpack('<I4', string.sub(summary, 79, 82))
    control, rule = string.byte(summary, 83), struct.unpack('<I2', string.sub(summary, 84, 85))
  end
  local project = string.sub(name, 1, string.find(name, ':', 1, true) - 1)
  return string.format('%s:%s:%d:%s%s%d%d', project, known[5] or '', rule, known[3] or 'u',
    known[4] == '1' and '1' or '0', alerts > 0 and 1 or 0, control)
end
local function move(tally, was, is)
  if was == is then return end
  if was and redis.call('HINCRBY', tally, was, -1) <= 0 then redis.call('HDEL', tally, was) end
  if is then redis.call('HINCRBY', tally, is, 1) end
end
"""

CLOSE = Script(
    "close",
    _RELEASE
    + RELEASE_HELD
    + _TELL
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
    _RELEASE
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
    _TELL
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

# A full Redis refuses to grow, unless the script has written before: what moves the work on, and so frees memory, must
# not be refused. Redis 6.2 knows no flag for that; a delete of nothing is such a write in every version. The first key
# must have a hash tag, which keeps what is deleted in its slot.
_EVEN_WHEN_FULL = """
redis.call('DEL', KEYS[1] .. ':nothing')
"""

ACQUIRE = Script(
    "acquire",
    _EVEN_WHEN_FULL
    + """
-- KEYS: lease, fence, cursor.  ARGV: owner, lease (ms).
-- Returns {fence, cursor, attempts, suspect, suspicion, archived}, or nothing while another owner holds the lease.
-- An owner's own lease is given again: its process was replaced, and the new fence shuts the old one out.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local fence = redis.call('INCR', KEYS[2])
local attempts = redis.call('HINCRBY', KEYS[3], 'attempts', 1)
local cursor = redis.call('HMGET', KEYS[3], 'id', 'suspect', 'suspicion', 'archived')
return {fence, cursor[1] or '0-0', attempts, cursor[2] or '', tonumber(cursor[3] or '0'), cursor[4] or '0-0'}
""",
)

REPORT = Script(
    "report",
    """
-- KEYS: workers.  ARGV: worker, report.  Returns all workers' reports: name, report, name, report ...
redis.call('HDEL', KEYS[1], '')  -- even when full: see above, and no other key is in this one's slot
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGETALL', KEYS[1])
""",
)

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

RENEW = Script(
    "renew",
    _EVEN_WHEN_FULL
    + """
-- KEYS: lease, fence.  ARGV: owner, lease (ms), fence.  Returns 1 while the lease is the owner's under this fence.
-- A lease that ran out and that nobody took is taken up again: the fence says that nobody did.
if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""",
)

RELEASE = Script(
    "release",
    _EVEN_WHEN_FULL
    + """
-- KEYS: lease, fence, cursor.  ARGV: owner, fence.  An owner that can say goodbye did not die of an entry.
if redis.call('GET', KEYS[2]) ~= ARGV[2] or redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[3], 'attempts', 0)
return redis.call('DEL', KEYS[1])
""",
)

SUSPECT = Script(
    "suspect",
    _EVEN_WHEN_FULL
    + """
-- KEYS: fence, cursor.  ARGV: fence, entry id.  Counts how often in a row this entry is about to be scored alone.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'suspect') == ARGV[2] then redis.call('HINCRBY', KEYS[2], 'suspicion', 1)
else redis.call('HSET', KEYS[2], 'suspect', ARGV[2], 'suspicion', 1) end
return 1
""",
)

COMMIT = Script(
    "commit",
    _EVEN_WHEN_FULL
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
    _EVEN_WHEN_FULL
    + """
-- KEYS: fence, cursor, steps.  ARGV: fence, the last entry archived, first entry id to keep in the stream.
-- Takes out of the stream what is scored and archived. Returns 0 when the fence has moved on and nothing was done.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'archived', ARGV[2])
redis.call('XTRIM', KEYS[3], 'MINID', ARGV[3])
return 1
""",
)

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
    _EVEN_WHEN_FULL
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
    _TELL
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
