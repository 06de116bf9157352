"""What is true of a partition, in the scripts that put steps into its stream."""

from __future__ import annotations

ID_WINDOW = 1024

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

# Ends the wait of a run's early steps: they go into the stream in order, whatever is missing between them.
RELEASE_EARLY = (
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
