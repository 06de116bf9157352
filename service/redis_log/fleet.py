"""The fleet at a glance, out of Redis: what waits, how many runs are live, how their risks lie, the newest alerts.

For figures over all projects. What it reads is bounded, however many runs there are; nothing here writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.records import JsonObject, LiveCounts, RunRecord, RunRef, RunSummary
from service.redis_log.connection import RedisClient, redis_errors
from service.redis_log.keys import KeySpace
from service.redis_log.runs import RedisRunReader

# Of more live runs than these a sample is looked at, of more alerts the newest.
MOST_RUNS = 1000
MOST_ALERTS = 300
# Of more live runs than these it is estimated how many are whose: their names alone are read, some ms of Redis.
MOST_NAMES = 20_000


@dataclass(frozen=True, slots=True)
class LiveRuns:
    """How many runs are live, and the summaries of those that were looked at: all of them, or a sample drawn evenly
    from every partition."""

    runs: int
    looked_at: Sequence[RunSummary]


class RedisFleet:
    """Reads over all projects."""

    def __init__(self, client: RedisClient, keys: KeySpace, reader: RedisRunReader) -> None:
        self._client = client
        self._keys = keys
        self._reader = reader

    async def oldest_waits(self, now_ms: int) -> list[float]:
        """How long the step that is to be scored next has waited, seconds, by partition; 0 where none waits. Raises
        TransientError."""
        partitions = range(self._keys.count)
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in partitions:
                    pipeline.hget(self._keys[partition].cursor, "id")
                cursors: list[Any] = await pipeline.execute()
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in partitions:
                    after = (cursors[partition] or b"0-0").decode()
                    pipeline.xrange(self._keys[partition].steps, f"({after}", "+", count=1)
                rows: list[Any] = await pipeline.execute()
        return [max(0, now_ms - int(found[0][0].partition(b"-")[0])) / 1000 if found else 0.0 for found in rows]

    async def live_runs(self, most: int = MOST_RUNS) -> LiveRuns:
        """How many runs are live, and at most about `most` of them. Raises TransientError."""
        with redis_errors():
            runs, refs = await self._draw(most)
            if not refs:
                return LiveRuns(runs, [])
            async with self._client.pipeline(transaction=False) as pipeline:
                for ref in refs:
                    pipeline.hget(self._keys.of_run(ref).run(ref), "summary")
                raw_summaries: list[Any] = await pipeline.execute()
        return LiveRuns(runs, [RunSummary.from_bytes(raw) for raw in raw_summaries if raw])

    async def live_by_project(self) -> LiveCounts:
        """See `ports.LiveRunCounter.live_by_project`."""
        with redis_errors():
            runs, refs = await self._draw(MOST_NAMES)
        weight = runs / len(refs) if len(refs) < runs else 1.0
        seen = Counter(ref.project for ref in refs)
        return LiveCounts({project: round(weight * count) for project, count in seen.items()}, weight == 1.0)

    async def _draw(self, most: int) -> tuple[int, list[RunRef]]:
        """How many runs are live, and all of them, or at most about `most`, drawn evenly from every partition."""
        partitions = range(self._keys.count)
        async with self._client.pipeline(transaction=False) as pipeline:
            for partition in partitions:
                pipeline.zcard(self._keys[partition].live)
            counts: list[int] = await pipeline.execute()
        runs = sum(counts)
        async with self._client.pipeline(transaction=False) as pipeline:
            for partition in partitions:
                # A partition's share of the sample; at least one, or a small partition would never be seen.
                share = counts[partition] if runs <= most else -(-most * counts[partition] // runs)
                pipeline.zrandmember(self._keys[partition].live, max(1, share))
            drawn: list[Any] = await pipeline.execute()
        return runs, [RunRef.from_name(name.decode()) for names in drawn for name in names or ()]

    async def newest_alerts(self, most: int = MOST_ALERTS) -> list[tuple[JsonObject, RunRecord | None]]:
        """The newest alerts of all projects, each with what has become of it, and its run. Raises TransientError."""
        return await self._reader.newest_alerts(most)
