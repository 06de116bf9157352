"""Every Lua script of the service's core, version 2. Each touches one hash slot, is atomic, and stays within Redis 6.2.

Clocks are the caller's. What may refuse checks everything before it writes anything.
"""

from __future__ import annotations

from service.redis_log.scripts.appending import (
    APPEND,
    BACKLOG,
    CLOSED,
    CROWDED,
    EARLY,
    FULL,
    LATE,
    MOST_STEPS_PER_RUN,
    REPEATS_EARLY,
    REUSED,
    SEQ_WINDOW,
    STORED,
)
from service.redis_log.scripts.committing import COMMIT, TRIM
from service.redis_log.scripts.endings import ENDING_FIELDS, TALLY
from service.redis_log.scripts.fields import ACKNOWLEDGE, NOTE, SWAP_FIELD, SWAP_FIELDS, SWAP_KEY, TAKE_TOKENS
from service.redis_log.scripts.forgetting import ERASE, FORGET
from service.redis_log.scripts.leases import ACQUIRE, RELEASE, RENEW, REPORT, SUSPECT
from service.redis_log.scripts.parking import LIST_PARKED, UNPARK
from service.redis_log.scripts.runs import CLOSE, DESCRIBE, EXPIRE, SETTLE_EARLY
from service.redis_log.scripts.script import Argument, Call, Script, for_many, join
from service.redis_log.scripts.spans import HOLD, SETTLE_HELD
from service.redis_log.scripts.streams import ID_WINDOW, RELEASE_HELD, STREAM

__all__ = [
    "ACKNOWLEDGE",
    "ACQUIRE",
    "APPEND",
    "BACKLOG",
    "CLOSE",
    "CLOSED",
    "COMMIT",
    "CROWDED",
    "DESCRIBE",
    "EARLY",
    "ENDING_FIELDS",
    "ERASE",
    "EXPIRE",
    "FORGET",
    "FULL",
    "HOLD",
    "ID_WINDOW",
    "LATE",
    "LIST_PARKED",
    "MOST_STEPS_PER_RUN",
    "NOTE",
    "RELEASE",
    "RELEASE_HELD",
    "RENEW",
    "REPEATS_EARLY",
    "REPORT",
    "REUSED",
    "SEQ_WINDOW",
    "SETTLE_EARLY",
    "SETTLE_HELD",
    "STORED",
    "STREAM",
    "SUSPECT",
    "SWAP_FIELD",
    "SWAP_FIELDS",
    "SWAP_KEY",
    "TAKE_TOKENS",
    "TALLY",
    "TRIM",
    "UNPARK",
    "Argument",
    "Call",
    "Script",
    "for_many",
    "join",
]
