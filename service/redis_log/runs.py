"""Reading runs, scores and alerts out of Redis. Nothing here writes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from service.core.runs import matches
from service.records import (
    SCORE_BYTES,
    AlertQuery,
    JsonObject,
    RunQuery,
    RunRecord,
    RunRef,
    RunSummary,
    ScoreRecord,
    WorkerReport,
)
from service.redis_log.connection import redis_errors
from service.redis_log.keys import WORKERS, KeySpace
from service.redis_log.pressure import read_counts

_FIELDS = (
    "created_ms",
    "updated_ms",
    "next",
    "ended_ms",
    "success",
    "intervened",
    "expired",
    "agent",
    "task",
    "tags",
    "monitor",
    "summary",
)
# A listing with filters looks at no more than so many runs before it says "go on from here".
SCANNED_AT_MOST = 2000

Mark = tuple[int, str]


class RedisRunReader:
    """RunReader on Redis."""

    def __init__(self, client: Redis, keys: KeySpace) -> None:
        self._client = client
        self._keys = keys

    async def list_runs(self, query: RunQuery) -> tuple[list[RunRecord], Mark | None]:
        """See `ports.RunReader.list_runs`."""
        found: list[RunRecord] = []
        before, scanned = query.before, 0
        if query.until_ms is not None:
            before = min(before or (query.until_ms, ""), (query.until_ms, ""))
        while True:
            marks = await self._newest("runs", before, query.limit + 1)
            refs = [RunRef.from_name(name) for _, name in marks]
            records = await self._records(refs)
            for mark, ref, record in zip(marks, refs, records, strict=True):
                if query.since_ms is not None and mark[0] < query.since_ms:
                    return found, None
                if record is not None and ref.project == query.project and matches(record, query):
                    if len(found) == query.limit:
                        return found, before
                    found.append(record)
                before = mark
            scanned += len(marks)
            if len(marks) <= query.limit:
                return found, None
            if scanned >= SCANNED_AT_MOST:
                return found, before

    async def read_run(self, ref: RunRef) -> RunRecord | None:
        """See `ports.RunReader.read_run`."""
        (record,) = await self._records([ref])
        return record

    async def read_scores(self, ref: RunRef, first: int, count: int) -> list[ScoreRecord | None]:
        """See `ports.RunReader.read_scores`."""
        with redis_errors():
            raw: Any = await self._client.getrange(
                self._keys.of_run(ref).scores(ref), first * SCORE_BYTES, (first + count) * SCORE_BYTES - 1
            )
        return [ScoreRecord.from_bytes(raw[at : at + SCORE_BYTES]) for at in range(0, len(raw), SCORE_BYTES)]

    async def read_agents(self, refs: Sequence[RunRef]) -> list[str]:
        """See `ports.RunReader.read_agents`."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for ref in refs:
                    pipeline.hget(self._keys.of_run(ref).run(ref), "agent")
                return [(agent or b"").decode() for agent in await pipeline.execute()]

    async def read_run_alerts(self, ref: RunRef) -> list[JsonObject]:
        """See `ports.RunReader.read_run_alerts`."""
        with redis_errors():
            rows: Any = await cast(Any, self._client.hgetall(self._keys.of_run(ref).run_alerts(ref)))
        return [orjson.loads(body) for _, body in sorted(rows.items(), key=lambda row: int(row[0]))]

    async def list_alerts(self, query: AlertQuery) -> tuple[list[JsonObject], Mark | None]:
        """See `ports.RunReader.list_alerts`."""
        if query.run_id is not None:
            alerts = await self.read_run_alerts(RunRef(query.project, query.run_id))
            return alerts[::-1][: query.limit], None
        found: list[JsonObject] = []
        before, scanned = query.before, 0
        while True:
            marks = await self._newest("alerts", before, query.limit + 1)
            for mark, body in zip(marks, await self._alerts([name for _, name in marks]), strict=True):
                if body is not None and body["project"] == query.project:
                    if len(found) == query.limit:
                        return found, before
                    found.append(body)
                before = mark
            scanned += len(marks)
            if len(marks) <= query.limit:
                return found, None
            if scanned >= SCANNED_AT_MOST:
                return found, before

    async def backlog(self) -> list[int]:
        """Steps that wait to be scored, by partition."""
        return [max(0, appended - scored) for appended, scored in await read_counts(self._client, self._keys)]

    async def worker_reports(self) -> list[WorkerReport]:
        """All workers' last reports."""
        with redis_errors():
            rows: Any = await cast(Any, self._client.hgetall(WORKERS))
        return [WorkerReport.from_json(row) for row in rows.values()]

    async def _newest(self, index: str, before: Mark | None, count: int) -> list[Mark]:
        """The newest marks of all partitions, newest first; equal times by name, descending, as Redis orders them."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in range(self._keys.count):
                    key = getattr(self._keys[partition], index)
                    top = "+inf" if before is None else f"({before[0]}"
                    pipeline.zrevrangebyscore(key, top, "-inf", start=0, num=count, withscores=True)
                    if before is not None:
                        # One write makes many marks of the same millisecond: all of it, so that none is passed over.
                        pipeline.zrangebyscore(key, before[0], before[0], withscores=True)
                answers = await pipeline.execute()
        marks = ((int(score), name.decode()) for rows in answers for name, score in rows)
        return heapq.nlargest(count, (mark for mark in marks if before is None or mark < before))

    async def _records(self, refs: Sequence[RunRef]) -> list[RunRecord | None]:
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for ref in refs:
                    pipeline.hmget(self._keys.of_run(ref).run(ref), list(_FIELDS))
                rows = await pipeline.execute()
        return [to_record(ref, row) for ref, row in zip(refs, rows, strict=True)]

    async def _alerts(self, names: Sequence[str]) -> list[JsonObject | None]:
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for name in names:
                    run, _, episode = name.rpartition("#")
                    ref = RunRef.from_name(run)
                    pipeline.hget(self._keys.of_run(ref).run_alerts(ref), episode)
                rows = await pipeline.execute()
        return [None if row is None else orjson.loads(row) for row in rows]


def to_record(ref: RunRef, row: Sequence[bytes | None]) -> RunRecord | None:
    """The run in these hash fields, or None if there is none."""
    values = dict(zip(_FIELDS, row, strict=True))
    if values["created_ms"] is None:
        return None
    return RunRecord(
        ref=ref,
        created_ms=int(values["created_ms"]),
        updated_ms=int(values["updated_ms"] or values["created_ms"]),
        accepted=int(values["next"] or 0),
        ended_ms=int(values["ended_ms"]) if values["ended_ms"] else None,
        success=_flag(values["success"]),
        intervened=_flag(values["intervened"]),
        expired=values["expired"] is not None,
        agent=(values["agent"] or b"").decode(),
        task=(values["task"] or b"").decode(),
        tags=orjson.loads(values["tags"] or b"{}"),
        monitor_id=(values["monitor"] or b"").decode(),
        summary=RunSummary.from_bytes(values["summary"]),
    )


def _flag(raw: bytes | None) -> bool | None:
    return None if raw is None else raw == b"1"
