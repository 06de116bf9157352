"""Who owns a partition."""

from __future__ import annotations

from service.redis_log.scripts.script import EVEN_WHEN_FULL, Script

ACQUIRE = Script(
    "acquire",
    EVEN_WHEN_FULL
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

RENEW = Script(
    "renew",
    EVEN_WHEN_FULL
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
    EVEN_WHEN_FULL
    + """
-- KEYS: lease, fence, cursor.  ARGV: owner, fence.  An owner that can say goodbye did not die of an entry.
if redis.call('GET', KEYS[2]) ~= ARGV[2] or redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[3], 'attempts', 0)
return redis.call('DEL', KEYS[1])
""",
)

SUSPECT = Script(
    "suspect",
    EVEN_WHEN_FULL
    + """
-- KEYS: fence, cursor.  ARGV: fence, entry id.  Counts how often in a row this entry is about to be scored alone.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'suspect') == ARGV[2] then redis.call('HINCRBY', KEYS[2], 'suspicion', 1)
else redis.call('HSET', KEYS[2], 'suspect', ARGV[2], 'suspicion', 1) end
return 1
""",
)
