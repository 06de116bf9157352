"""Every Lua script of the service's core, version 1. Each touches one hash slot, is atomic, and stays within Redis 6.2.

Clocks are the caller's. What may refuse checks everything before it writes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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


# Codes of an append group.
STORED, CLOSED, FULL, BACKLOG = 0, 1, 2, 3
ID_WINDOW = 1024

APPEND = Script(
    "append",
    """
-- KEYS: steps, runs, then (run, ids) for each group.
-- ARGV: now (us), steps per run, backlog, id window, groups, then for each group: run name, monitor, count, then
-- (client id digest, data) each.
-- Returns for each group {code, position or -1 - position of the step that it repeats, ...}.
-- A run's first steps settle whose threshold it has: the agent named by then, whoever is named later.
local now, most, backlog, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now_ms = math.floor(tonumber(now) / 1000)
local length = redis.call('XLEN', KEYS[1])
local answers, a = {}, 6
for g = 1, tonumber(ARGV[5]) do
  local run, ids = KEYS[1 + 2 * g], KEYS[2 + 2 * g]
  local name, monitor, count = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2])
  local first = a + 3
  a = first + 2 * count
  local known = redis.call('HMGET', run, 'next', 'ended_ms', 'agent')
  local next = tonumber(known[1] or '0')
  local fresh, repeats, seen = 0, {}, {}
  for i = 0, count - 1 do
    local id = ARGV[first + 2 * i]
    if id ~= '' then
      local position = seen[id] or redis.call('ZSCORE', ids, id)
      if position then repeats[i] = tonumber(position) else seen[id] = next + fresh end
    end
    if not repeats[i] then fresh = fresh + 1 end
  end
  local answer = {0}
  if fresh > 0 and known[2] then answer[1] = 1
  elseif next + fresh > most then answer[1] = 2
  elseif fresh > 0 and length + fresh > backlog then answer[1] = 3
  else
    if fresh > 0 and not known[1] then
      if redis.call('HSETNX', run, 'created_ms', now_ms) == 1 then redis.call('ZADD', KEYS[2], now_ms, name) end
      redis.call('HSETNX', run, 'monitor', monitor)
      if known[3] then redis.call('HSET', run, 'group', known[3]) end
    end
    local with_ids = false
    for i = 0, count - 1 do
      if repeats[i] then answer[i + 2] = -1 - repeats[i]
      else
        local id = ARGV[first + 2 * i]
        redis.call('XADD', KEYS[1], '*', 'r', name, 'p', next, 't', now, 'i', id, 'd', ARGV[first + 2 * i + 1])
        if id ~= '' then redis.call('ZADD', ids, next, id); with_ids = true end
        answer[i + 2] = next
        next = next + 1
      end
    end
    if with_ids then redis.call('ZREMRANGEBYSCORE', ids, '-inf', next - 1 - window) end
    if fresh > 0 then redis.call('HSET', run, 'next', next, 'updated_ms', now_ms) end
    length = length + fresh
  end
  answers[g] = answer
end
return answers
""",
)

DESCRIBE = Script(
    "describe",
    """
-- KEYS: run, runs.  ARGV: run name, now (ms), monitor, then field and value pairs.  Returns 1 if the run is new.
local fresh = redis.call('HSETNX', KEYS[1], 'created_ms', ARGV[2])
if fresh == 1 then
  redis.call('HSET', KEYS[1], 'updated_ms', ARGV[2], 'monitor', ARGV[3])
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
end
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return fresh
""",
)

CLOSE = Script(
    "close",
    """
-- KEYS: run.  ARGV: now (ms), then field and value pairs (an empty value deletes the field).
-- Ends the run if it has not ended yet. Returns 0 when there is no such run.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[1], 'ended_ms', ARGV[1])
redis.call('HSET', KEYS[1], 'updated_ms', ARGV[1])
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i +
  1]) end
end
return 1
""",
)

ACQUIRE = Script(
    "acquire",
    """
-- KEYS: lease, fence, cursor.  ARGV: owner, lease (ms).
-- Returns {fence, cursor, attempts, suspect, suspicion}, or nothing while another owner holds the lease.
-- An owner's own lease is given again: its process was replaced, and the new fence shuts the old one out.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local fence = redis.call('INCR', KEYS[2])
local attempts = redis.call('HINCRBY', KEYS[3], 'attempts', 1)
local cursor = redis.call('HMGET', KEYS[3], 'id', 'suspect', 'suspicion')
return {fence, cursor[1] or '0-0', attempts, cursor[2] or '', tonumber(cursor[3] or '0')}
""",
)

RENEW = Script(
    "renew",
    """
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
    """
-- KEYS: lease, fence, cursor.  ARGV: owner, fence.  An owner that can say goodbye did not die of an entry.
if redis.call('GET', KEYS[2]) ~= ARGV[2] or redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[3], 'attempts', 0)
return redis.call('DEL', KEYS[1])
""",
)

SUSPECT = Script(
    "suspect",
    """
-- KEYS: fence, cursor.  ARGV: fence, entry id.  Counts how often in a row this entry is about to be scored alone.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'suspect') == ARGV[2] then redis.call('HINCRBY', KEYS[2], 'suspicion', 1)
else redis.call('HSET', KEYS[2], 'suspect', ARGV[2], 'suspicion', 1) end
return 1
""",
)

COMMIT = Script(
    "commit",
    """
-- KEYS: fence, cursor, steps, outbox, parked, alerts, then (run, scores, run's alerts) for each run.
-- ARGV: fence, new cursor, first entry id to keep in the stream, channel, frame, parked, (run, position, received,
-- client id, reason, data) each,
--   runs, then for each run: state (empty leaves the one before), summary, offset of the scores, scores, alerts,
--   (member, episode, time (ms), JSON) each.
-- Returns 1, or 0 when the fence has moved on and nothing was written.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local a = 7
for _ = 1, tonumber(ARGV[6]) do
  redis.call('XADD', KEYS[5], '*', 'r', ARGV[a], 'p', ARGV[a + 1], 't', ARGV[a + 2], 'i', ARGV[a + 3], 'why', ARGV[a +
  4], 'd', ARGV[a + 5])
  a = a + 6
end
local runs = tonumber(ARGV[a])
a = a + 1
for r = 0, runs - 1 do
  local run, scores, alerts = KEYS[7 + 3 * r], KEYS[8 + 3 * r], KEYS[9 + 3 * r]
  redis.call('HSET', run, 'summary', ARGV[a + 1])
  if ARGV[a] ~= '' then redis.call('HSET', run, 'state', ARGV[a]) end
  redis.call('SETRANGE', scores, ARGV[a + 2], ARGV[a + 3])
  local opened = tonumber(ARGV[a + 4])
  a = a + 5
  for _ = 1, opened do
    redis.call('HSET', alerts, ARGV[a + 1], ARGV[a + 3])
    redis.call('ZADD', KEYS[6], ARGV[a + 2], ARGV[a])
    redis.call('XADD', KEYS[4], '*', 'alert', ARGV[a + 3])
    a = a + 4
  end
end
redis.call('HSET', KEYS[2], 'id', ARGV[2], 'attempts', 0, 'suspect', '', 'suspicion', 0)
redis.call('XTRIM', KEYS[3], 'MINID', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
""",
)

FORGET = Script(
    "forget",
    """
-- KEYS: fence, runs, alerts, run, scores, ids, run's alerts.  ARGV: fence, run name, idle since before (ms).
-- Deletes a run with nothing left to score that has been idle for long. Returns 1 when deleted, 2 when only its mark
-- in the index was left.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local run = redis.call('HMGET', KEYS[4], 'updated_ms', 'next', 'summary')
local left = redis.call('EXISTS', KEYS[4])
if left == 1 then
  if tonumber(run[1] or '0') >= tonumber(ARGV[3]) then return 0 end
  local scored = run[3] and cjson.decode(run[3]).steps or 0
  if scored < tonumber(run[2] or '0') then return 0 end
end
for _, episode in ipairs(redis.call('HKEYS', KEYS[7])) do redis.call('ZREM', KEYS[3], ARGV[2] .. '#' .. episode) end
redis.call('DEL', KEYS[4], KEYS[5], KEYS[6], KEYS[7])
redis.call('ZREM', KEYS[2], ARGV[2])
return 2 - left
""",
)
