"""Endings: what is known of runs that are over, on its way into the archive.

The scripts that end a run, or change what is said of one that is over, add all of it to `{pNN}:closed`: r the run, w
why, from and to of a parked step that was put back, and the fields of the run's hash that `scripts.ENDING_FIELDS`
names. The partition's owner reads from the start, archives, and drops what it has read; nothing hangs on the fence,
since dropping what is archived does no harm whoever does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from service.records import Ending, RunRef, RunSummary
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.keys import KeySpace


class RedisEndingLog:
    """EndingLog on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace) -> None:
        self._client = client
        self._keys = keys

    async def read_endings(self, partitions: Sequence[int], count: int) -> list[Ending]:
        """See `ports.EndingLog.read_endings`."""
        if not partitions:
            return []
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in partitions:
                    pipeline.xrange(self._keys[partition].closed, count=count)
                answers = await pipeline.execute()
        return [
            to_ending(partition, entry_id.decode(), fields)
            for partition, rows in zip(partitions, answers, strict=True)
            for entry_id, fields in rows
        ]

    async def drop_endings(self, read: Sequence[Ending]) -> None:
        """See `ports.EndingLog.drop_endings`."""
        last = {ending.partition: ending.entry_id for ending in read}
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition, entry_id in last.items():
                    milliseconds, _, number = entry_id.partition("-")
                    pipeline.xtrim(
                        self._keys[partition].closed, minid=f"{milliseconds}-{int(number) + 1}", approximate=False
                    )
                if last:
                    await pipeline.execute()


def to_ending(partition: int, entry_id: str, fields: dict[bytes, bytes]) -> Ending:
    """The ending in these fields of an entry."""

    def text(name: bytes) -> str:
        return fields.get(name, b"").decode("utf-8", "replace")

    def flag(name: bytes) -> bool | None:
        return fields[name] == b"1" if name in fields else None

    def number(name: bytes) -> int:
        return int(fields.get(name) or 0)

    summary = RunSummary.from_bytes(fields.get(b"summary"))
    tags: Any = orjson.loads(fields.get(b"tags") or b"{}")
    return Ending(
        partition=partition,
        entry_id=entry_id,
        ref=RunRef.from_name(text(b"r")),
        what=text(b"w"),
        created_ms=number(b"created_ms"),
        steps=number(b"next"),
        ended_ms=number(b"ended_ms") or None,
        expired=b"expired" in fields,
        success=flag(b"success"),
        intervened=flag(b"intervened"),
        control=summary.control if summary.max_score is not None else None,
        agent=text(b"agent"),
        task=text(b"task"),
        tags=tags,
        monitor_id=text(b"monitor"),
        moved=(number(b"from"), number(b"to")) if b"to" in fields else None,
    )
