"""The audit log in Redis: one stream a project, of which the newest entries are kept.

An entry holds at (ms), key, from, act, target, detail (JSON). Its id in the stream is its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from service.records import AuditEntry
from service.redis_log.connection import RedisClient, redis_errors, run_script
from service.redis_log.keys import AUDIT
from service.redis_log.scripts import NOTE, Call

KEPT_ENTRIES = 10_000


class RedisAuditStore:
    """AuditStore on Redis."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def append_entry(self, project: str, entry: AuditEntry) -> None:
        """See `ports.AuditStore.append_entry`."""
        fields: list[bytes | str | int] = [
            *("at", entry.at_ms, "key", entry.key_id, "from", entry.origin, "act", entry.act, "target", entry.target),
            *("detail", orjson.dumps(entry.detail)),
        ]
        await run_script(self._client, Call(NOTE, [AUDIT + project], [KEPT_ENTRIES, *fields]), durable=True)

    async def read_entries(self, project: str, limit: int, before: str = "") -> list[AuditEntry]:
        """See `ports.AuditStore.read_entries`."""
        if before and not before.strip("0-"):
            return []  # nothing is older than 0-0, and Redis refuses to be asked
        newest = f"({before}" if before else "+"
        with redis_errors():
            rows: Any = await cast(Any, self._client.xrevrange(AUDIT + project, newest, "-", limit))
        return [_to_entry(entry_id.decode(), fields) for entry_id, fields in rows]

    async def delete_log(self, project: str) -> None:
        """Delete a project's log, with the project. Raises TransientError."""
        with redis_errors():
            await self._client.delete(AUDIT + project)


def _to_entry(entry_id: str, fields: Mapping[bytes, bytes]) -> AuditEntry:
    key_id, origin, act, target = (fields.get(name, b"").decode() for name in (b"key", b"from", b"act", b"target"))
    detail = orjson.loads(fields.get(b"detail", b"{}"))
    return AuditEntry(int(fields.get(b"at", b"0")), key_id, origin, act, target, detail, entry_id)
