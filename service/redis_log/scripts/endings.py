"""What the scripts that end runs have in common: what the archive is told, and what is counted."""

from __future__ import annotations

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
TELL = f"""
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
