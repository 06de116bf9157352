"""Deletions of runs in Redis: what is asked for, and how far each has come.

`{pNN}:deleting` names the runs that their partition's owner is to erase. What is kept of a deletion after that,
in `forewarn:deletions`, knows the run by a digest alone: `<id>` → JSON, `<id>:erased` → when it was gone from Redis
(ms), `<id>:clean:<worker>` → when it was gone from that worker's archive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from service.records import Deletion, Lease, RunRef, WorkerReport
from service.redis_log import scripts
from service.redis_log.connection import RedisClient, redis_errors, run_script
from service.redis_log.keys import DELETIONS, WORKERS, KeySpace, trace_key
from service.redis_log.scripts import Argument, Call

KEPT_MS = 30 * 24 * 3_600_000
# Entries of up to 2 KB that are looked at in one step: Redis then serves nobody else for 10 to 20 ms.
PORTION = 1000
# The API's clock says when a run began, the worker's when a step was archived.
SKEW_MS = 3_600_000
# A worker not heard of for so long is not waited for: its archive is cleaned once it is back.
GONE_MS = 15_000


class RedisDeletionLog:
    """DeletionLog on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace) -> None:
        self._client = client
        self._keys = keys

    async def ask(self, ref: RunRef, now_ms: int) -> Deletion:
        """See `ports.DeletionLog.ask`. The record comes first: whatever a kill leaves undone, asking again does."""
        own = self._keys.of_run(ref)
        with redis_errors():
            created: Any = await self._client.hget(own.run(ref), "created_ms")
            before: Any = await cast(Any, self._client.hget(DELETIONS, ref.deletion_id))
            since_ms = max(0, int(created or 0) - SKEW_MS)
            if before is not None:
                # What began anew under the name since may not hide that the run before it is still in the archive.
                since_ms = min(since_ms, Deletion.from_json(before).since_ms)
            partition = self._keys.partition_of(ref)
            deletion = Deletion(ref.deletion_id, ref.project, ref.digest, now_ms, since_ms, 0, partition)
            stale = [name for name in await self._names() if name.startswith(f"{deletion.id}:")]
            if stale:
                await cast(Any, self._client.hdel(DELETIONS, *stale))
            await cast(Any, self._client.hset(DELETIONS, deletion.id, deletion.to_json()))
            await cast(Any, self._client.hset(own.deleting, ref.name, deletion.id))
        return deletion

    async def find(self, project: str, deletion_id: str, now_ms: int) -> Deletion | None:
        """See `ports.DeletionLog.find`."""
        with redis_errors():
            rows: Any = await cast(Any, self._client.hgetall(DELETIONS))
            reports: Any = await cast(Any, self._client.hgetall(WORKERS))
        raw = rows.get(deletion_id.encode())
        deletion = None if raw is None else Deletion.from_json(raw)
        if deletion is None or deletion.project != project:
            return None
        workers = [WorkerReport.from_json(row) for row in reports.values()]
        live = [one.worker for one in workers if one.seen_ms > now_ms - GONE_MS]
        marks = [rows.get(f"{deletion_id}:erased".encode())]
        marks += [rows.get(f"{deletion_id}:clean:{worker}".encode()) for worker in live]
        if not live or not all(marks) or await self._may_be_erased_again(deletion):
            return deletion
        return deletion.at(int(max(marks, key=int)))

    async def waiting(self, partitions: Sequence[int]) -> list[tuple[int, RunRef]]:
        """See `ports.DeletionLog.waiting`."""
        if not partitions:
            return []
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in partitions:
                    pipeline.hkeys(self._keys[partition].deleting)
                answers = await pipeline.execute()
        return [
            (partition, RunRef.from_name(name.decode()))
            for partition, names in zip(partitions, answers, strict=True)
            for name in names
        ]

    async def erase(self, lease: Lease, ref: RunRef, before_last: Callable[[], Awaitable[None]]) -> bool:
        """See `ports.DeletionLog.erase`. Redis serves others between two portions."""
        keys = self._keys[lease.partition]
        streams = [keys.steps, keys.parked, keys.outbox, f"{keys.outbox}:parked", keys.closed, keys.feed]
        indexes = [keys.runs, keys.live, keys.early, keys.ended, keys.labelled, keys.held]
        own = [keys.run(ref), keys.scores(ref), keys.ids(ref), keys.run_early(ref), keys.run_held(ref)]
        touched = [keys.fence, keys.cursor, keys.counts, keys.alerts, keys.run_alerts(ref), *streams, *indexes, *own]
        starts: list[Argument] = ["-"] * len(streams)
        for last in ("", "1"):
            if last:
                await before_last()
            done = False
            while not done:
                said: list[Argument] = [lease.fence, ref.name, ref.project, ref.run_id, PORTION, last]
                answer = await run_script(self._client, Call(scripts.ERASE, touched, [*said, *starts]))
                if not answer[0]:
                    return False
                done, starts = answer[0] == 2, answer[1:]
        return True

    async def erased(self, ref: RunRef, now_ms: int) -> None:
        """See `ports.DeletionLog.erased`. Traces that were said to belong to the run know it no more."""
        with redis_errors():
            async for key in self._client.scan_iter(match=trace_key(ref.project, "*"), count=1000):
                if await self._client.get(key) == ref.run_id.encode():
                    await self._client.delete(key)
            await cast(Any, self._client.hset(DELETIONS, f"{ref.deletion_id}:erased", now_ms))
            await cast(Any, self._client.hdel(self._keys.of_run(ref).deleting, ref.name))

    async def unclean(self, worker: str, now_ms: int) -> list[Deletion]:
        """See `ports.DeletionLog.unclean`."""
        with redis_errors():
            rows: Any = await cast(Any, self._client.hgetall(DELETIONS))
        found = []
        for name, raw in rows.items():
            if b":" in name:
                continue
            deletion = Deletion.from_json(raw)
            marks = [f"{deletion.id}:erased".encode(), f"{deletion.id}:clean:{worker}".encode()]
            if deletion.asked_ms < now_ms - KEPT_MS and marks[0] in rows:
                own = [one for one in rows if one == name or one.startswith(name + b":")]
                with redis_errors():
                    await cast(Any, self._client.hdel(DELETIONS, *own))
            elif marks[0] in rows and marks[1] not in rows:
                found.append(deletion)
        return found

    async def clean(self, deletion: Deletion, worker: str, now_ms: int) -> None:
        """See `ports.DeletionLog.clean`."""
        with redis_errors():
            await cast(Any, self._client.hset(DELETIONS, f"{deletion.id}:clean:{worker}", now_ms))

    async def _may_be_erased_again(self, deletion: Deletion) -> bool:
        """True where an owner died right after it had said that the run is gone: the next one does it all again, with
        what has begun under the run's name since."""
        if deletion.partition < 0:
            return False
        with redis_errors():
            asked: Any = await cast(Any, self._client.hvals(self._keys[deletion.partition].deleting))
        return deletion.id.encode() in asked

    async def _names(self) -> list[str]:
        return [name.decode() for name in await cast(Any, self._client.hkeys(DELETIONS))]
