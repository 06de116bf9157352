"""Reading runs, scores and alerts out of Redis. Nothing here writes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import orjson

from service.core.alerting import read_alert_id
from service.core.episodes import passes, with_state
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
    ShadowSummary,
    WorkerReport,
)
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.keys import WORKERS, KeySpace, acknowledgement_field
from service.redis_log.pressure import read_counts

_FIELDS = (
    "created_ms",
    "updated_ms",
    "next",
    "ended_ms",
    "success",
    "intervened",
    "outcome_ms",
    "expired",
    "agent",
    "task",
    "tags",
    "monitor",
    "summary",
    "shadow",
    "shadow_summary",
)
# A listing with filters looks at no more than so many runs before it says "go on from here".
SCANNED_AT_MOST = 2000

Mark = tuple[int, str]


class RedisRunReader:
    """RunReader on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace) -> None:
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

    async def read_runs(self, refs: Sequence[RunRef]) -> list[RunRecord | None]:
        """See `ports.RunReader.read_runs`. One round trip."""
        return await self._records(refs)

    async def read_scores(self, ref: RunRef, first: int, count: int) -> list[ScoreRecord | None]:
        """See `ports.RunReader.read_scores`."""
        with redis_errors():
            raw: Any = await self._client.getrange(
                self._keys.of_run(ref).scores(ref), first * SCORE_BYTES, (first + count) * SCORE_BYTES - 1
            )
        return [ScoreRecord.from_bytes(raw[at : at + SCORE_BYTES]) for at in range(0, len(raw), SCORE_BYTES)]

    async def oldest_run_ms(self, project: str) -> int | None:
        """See `ports.RunReader.oldest_run_ms`."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in range(self._keys.count):
                    pipeline.zrange(self._keys[partition].runs, 0, SCANNED_AT_MOST - 1, withscores=True)
                answers = await pipeline.execute()
        own = f"{project}:".encode()
        return min((int(at) for rows in answers for name, at in rows if name.startswith(own)), default=None)

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
        if not rows:
            return []
        run = await self.read_run(ref)
        episodes = sorted(int(field) for field in rows if field.isdigit())
        return [
            _to_alert(rows[b"%d" % episode], rows.get(acknowledgement_field(episode).encode()), run)
            for episode in episodes
        ]

    async def read_alert(self, project: str, alert_id: str) -> JsonObject | None:
        """See `ports.RunReader.read_alert`."""
        named = read_alert_id(alert_id)
        if named is None:
            return None
        (alert,) = await self._alerts([(RunRef(project, named[0]), named[1])])
        return alert if alert is not None and alert["id"] == alert_id else None

    async def list_alerts(self, query: AlertQuery) -> tuple[list[JsonObject], Mark | None]:
        """See `ports.RunReader.list_alerts`."""
        if query.run_id is not None:
            alerts = await self.read_run_alerts(RunRef(query.project, query.run_id))
            return [alert for alert in alerts[::-1] if passes(alert, query)][: query.limit], None
        found: list[JsonObject] = []
        before, scanned = query.before, 0
        while True:
            marks = await self._newest("alerts", before, query.limit + 1)
            alerts_there = await self._alerts([_to_episode(name) for _, name in marks])
            for mark, alert in zip(marks, alerts_there, strict=True):
                if alert is not None and passes(alert, query):
                    if len(found) == query.limit:
                        return found, before
                    found.append(alert)
                before = mark
            scanned += len(marks)
            if len(marks) <= query.limit:
                return found, None
            if scanned >= SCANNED_AT_MOST:
                return found, before

    async def newest_alerts(self, count: int) -> list[tuple[JsonObject, RunRecord | None]]:
        """The newest alerts of all projects, each with what has become of it, and its run as it is."""
        episodes = [_to_episode(name) for _, name in await self._newest("alerts", None, count)]
        alerts = await self._alerts(episodes)
        refs = list({ref for ref, _ in episodes})
        records = dict(zip(refs, await self._records(refs), strict=True))
        pairs = zip(episodes, alerts, strict=True)
        return [(alert, records[ref]) for (ref, _), alert in pairs if alert is not None]

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
            records = [to_record(ref, row) for ref, row in zip(refs, rows, strict=True)]
            return await self._with_acknowledgements(records)

    async def _with_acknowledgements(self, records: list[RunRecord | None]) -> list[RunRecord | None]:
        # Few runs are in an episode: only theirs is looked for.
        warned = [place for place, record in enumerate(records) if record is not None and record.summary.warning]
        if not warned:
            return records
        async with self._client.pipeline(transaction=False) as pipeline:
            for place in warned:
                record = cast(RunRecord, records[place])
                field = acknowledgement_field(record.summary.alerts)
                pipeline.hexists(self._keys.of_run(record.ref).run_alerts(record.ref), field)
            known = await pipeline.execute()
        for place, acknowledged in zip(warned, known, strict=True):
            records[place] = replace(cast(RunRecord, records[place]), acknowledged=bool(acknowledged))
        return records

    async def _alerts(self, episodes: Sequence[tuple[RunRef, int]]) -> list[JsonObject | None]:
        runs = dict.fromkeys(ref for ref, _ in episodes)
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for ref, episode in episodes:
                    fields = [str(episode), acknowledgement_field(episode)]
                    pipeline.hmget(self._keys.of_run(ref).run_alerts(ref), fields)
                rows = await pipeline.execute()
        records = dict(zip(runs, await self._records(list(runs)), strict=True))
        return [
            None if alert is None else _to_alert(alert, acknowledgement, records[ref])
            for (ref, _), (alert, acknowledgement) in zip(episodes, rows, strict=True)
        ]


def _to_alert(raw_alert: bytes, raw_acknowledgement: bytes | None, run: RunRecord | None) -> JsonObject:
    acknowledgement = None if raw_acknowledgement is None else orjson.loads(raw_acknowledgement)
    return with_state(orjson.loads(raw_alert), run, acknowledgement)


def _to_episode(name: str) -> tuple[RunRef, int]:
    run, _, episode = name.rpartition("#")
    return RunRef.from_name(run), int(episode)


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
        outcome_ms=int(values["outcome_ms"]) if values["outcome_ms"] else None,
        expired=values["expired"] is not None,
        agent=(values["agent"] or b"").decode(),
        task=(values["task"] or b"").decode(),
        tags=orjson.loads(values["tags"] or b"{}"),
        monitor_id=(values["monitor"] or b"").decode(),
        summary=RunSummary.from_bytes(values["summary"]),
        shadow_id=(values["shadow"] or b"").decode(),
        shadow=ShadowSummary.from_bytes(values["shadow_summary"]),
    )


def _flag(raw: bytes | None) -> bool | None:
    return None if raw is None else raw == b"1"
