"""What the owner of partitions does on Redis: leases, reading on from the cursor, loading runs, committing batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from service.records import (
    SCORE_BYTES,
    Cutoffs,
    Entry,
    Lease,
    PartitionCommit,
    RunDescription,
    RunProgress,
    RunRef,
    RunSummary,
    ShadowSummary,
    WorkerReport,
)
from service.redis_log import scripts
from service.redis_log.connection import RedisClient, redis_errors, run_script, run_scripts
from service.redis_log.frames import kept_frames, to_feed_frame, to_frame
from service.redis_log.keys import WORKERS, KeySpace
from service.redis_log.scripts import Argument, Call

# A look at a partition deletes, settles or expires no more than so many runs.
SWEPT_AT_ONCE = TIDIED = 64
HELD_TIDIED = 512
# Workers not heard of for so long are struck off the list.
FORGOTTEN_MS = 60_000


class RedisPartitionLog:
    """PartitionLog on Redis. `archived`: what is committed stays in the stream until `trim`; else it leaves at once."""

    def __init__(self, client: RedisClient, keys: KeySpace, lease_ms: int, *, archived: bool = False) -> None:
        self._archived = archived
        self._client = client
        self._streams = client.stream_reader()
        self._keys = keys
        self._lease_ms = lease_ms
        self._swept: dict[int, int] = {}

    async def acquire(self, partition: int, owner: str) -> Lease | None:
        """See `ports.PartitionLog.acquire`."""
        keys = self._keys[partition]
        call = Call(scripts.ACQUIRE, [keys.lease, keys.fence, keys.cursor], [owner, self._lease_ms])
        # Durable: a fence that a failover took back would be given to the next owner as well.
        answer = await run_script(self._client, call, durable=True)
        if answer is None:
            return None
        fence, cursor, attempts, suspect, suspicion, archived = answer
        return Lease(partition, fence, cursor.decode(), attempts, suspect.decode(), suspicion, archived.decode())

    async def renew(self, leases: Sequence[Lease], owner: str) -> list[bool]:
        """See `ports.PartitionLog.renew`."""
        calls = [
            Call(scripts.RENEW, [keys.lease, keys.fence], [owner, self._lease_ms, lease.fence])
            for lease in leases
            for keys in (self._keys[lease.partition],)
        ]
        return [answer == 1 for answer in await run_scripts(self._client, calls)]

    async def release(self, leases: Sequence[Lease], owner: str) -> None:
        """See `ports.PartitionLog.release`."""
        calls = [
            Call(scripts.RELEASE, [keys.lease, keys.fence, keys.cursor], [owner, lease.fence])
            for lease in leases
            for keys in (self._keys[lease.partition],)
        ]
        await run_scripts(self._client, calls)

    async def read(self, cursors: Mapping[int, str], count: int, block_ms: int) -> list[Entry]:
        """See `ports.PartitionLog.read`."""
        streams = {self._keys[partition].steps: cursor for partition, cursor in cursors.items()}
        partition_of = {self._keys[partition].steps.encode(): partition for partition in cursors}
        with redis_errors():
            answer = await self._streams.read(streams, count, block_ms)
        return [
            _to_entry(partition_of[stream], entry_id, fields) for stream, rows in answer for entry_id, fields in rows
        ]

    async def read_between(self, partition: int, after: str, until: str, count: int) -> list[Entry]:
        """See `ports.PartitionLog.read_between`."""
        with redis_errors():
            rows: Any = await self._client.xrange(self._keys[partition].steps, entry_after(after), until, count=count)
        return [_to_entry(partition, entry_id, fields) for entry_id, fields in rows]

    async def load(self, refs: Sequence[RunRef]) -> list[RunProgress]:
        """See `ports.PartitionLog.load`."""
        rows = await self._fields(
            refs, "monitor", "state", "summary", "group", "shadow", "shadow_state", "shadow_summary"
        )
        return [
            RunProgress(
                (row[0] or b"").decode(),
                row[1] or b"",
                RunSummary.from_bytes(row[2]),
                (row[3] or b"").decode(),
                (row[4] or b"").decode(),
                row[5] or b"",
                ShadowSummary.from_bytes(row[6]),
            )
            for row in rows
        ]

    async def read_descriptions(self, refs: Sequence[RunRef]) -> list[RunDescription]:
        """See `ports.PartitionLog.read_descriptions`."""
        rows = await self._fields(refs, "agent", "task", "tags")
        return [
            RunDescription((row[0] or b"").decode(), (row[1] or b"").decode(), orjson.loads(row[2] or b"{}"))
            for row in rows
        ]

    async def read_records(self, steps: Mapping[RunRef, int]) -> list[bytes]:
        """See `ports.PartitionLog.read_records`."""
        asked = {ref: count for ref, count in steps.items() if count}
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for ref, count in asked.items():
                    pipeline.getrange(self._keys.of_run(ref).scores(ref), 0, count * SCORE_BYTES - 1)
                found = dict(zip(asked, await pipeline.execute(), strict=True))
        return [found.get(ref, b"") for ref in steps]

    async def commit(self, commits: Sequence[PartitionCommit]) -> list[bool]:
        """See `ports.PartitionLog.commit`. Raises what Redis answered where a commit failed for another reason than
        the fence."""
        answers = await run_scripts(self._client, [self._commit_call(commit) for commit in commits])
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [answer == 1 for answer in answers]

    async def trim(self, archived: Sequence[tuple[Lease, str]]) -> list[bool]:
        """See `ports.PartitionLog.trim`."""
        calls = [
            Call(scripts.TRIM, [keys.fence, keys.cursor, keys.steps], [lease.fence, entry_id, entry_after(entry_id)])
            for lease, entry_id in archived
            for keys in (self._keys[lease.partition],)
        ]
        return [answer == 1 for answer in await run_scripts(self._client, calls)]

    async def tidy(self, lease: Lease, *, early_ms: int, idle_ms: int, held_ms: int = 0) -> int:
        """See `ports.PartitionLog.tidy`. The scripts look for themselves, so that a worker that has lost the partition
        does no harm."""
        keys = self._keys[lease.partition]
        with redis_errors():
            waiting: Any = await self._client.zrangebyscore(keys.early, "-inf", f"({early_ms}", start=0, num=TIDIED)
            idle: Any = await self._client.zrangebyscore(keys.live, "-inf", f"({idle_ms}", start=0, num=TIDIED)
            held: Any = await self._client.zrangebyscore(keys.held, "-inf", f"({held_ms}", start=0, num=HELD_TIDIED)
        calls = []
        for name in held:
            ref = RunRef.from_name(name.decode())
            own = [keys.run(ref), keys.steps, keys.counts, keys.held, keys.ids(ref), keys.run_held(ref)]
            calls.append(Call(scripts.SETTLE_HELD, own, [name, held_ms]))
        for name in waiting:
            ref = RunRef.from_name(name.decode())
            own = [keys.run(ref), keys.steps, keys.counts, keys.early, keys.ids(ref), keys.run_early(ref)]
            calls.append(Call(scripts.SETTLE_EARLY, own, [name, early_ms]))
        for name in idle:
            ref = RunRef.from_name(name.decode())
            calls.append(Call(scripts.EXPIRE, [keys.run(ref), keys.live, keys.closed], [name, idle_ms]))
        return sum(1 for answer in await run_scripts(self._client, calls) if answer == 1)

    async def suspect(self, lease: Lease, entry_id: str) -> bool:
        """See `ports.PartitionLog.suspect`."""
        keys = self._keys[lease.partition]
        call = Call(scripts.SUSPECT, [keys.fence, keys.cursor], [lease.fence, entry_id])
        return bool(await run_script(self._client, call))

    async def sweep(self, lease: Lease, cutoffs: Cutoffs) -> int:
        """See `ports.PartitionLog.sweep`. Goes on where it stopped the time before, so that runs that are kept for long
        do not stand in the way of others."""
        keys, start = self._keys[lease.partition], self._swept.get(lease.partition, 0)
        with redis_errors():
            names: Any = await self._client.zrangebyscore(
                keys.runs, "-inf", cutoffs.latest, start=start, num=SWEPT_AT_ONCE, withscores=True
            )
        calls = []
        for name, created_ms in names:
            older_than_ms = cutoffs.of(RunRef.from_name(name.decode()).project)
            if created_ms > older_than_ms:
                continue
            ref = RunRef.from_name(name.decode())
            own = [keys.run(ref), keys.scores(ref), keys.ids(ref), keys.run_alerts(ref)]
            touched = [keys.fence, keys.runs, keys.alerts, keys.live, *own, keys.ended, keys.labelled]
            calls.append(Call(scripts.FORGET, touched, [lease.fence, name, older_than_ms]))
        answers = await run_scripts(self._client, calls)
        gone = sum(1 for answer in answers if answer in {1, 2})
        self._swept[lease.partition] = start + len(names) - gone if len(names) == SWEPT_AT_ONCE else 0
        return sum(1 for answer in answers if answer == 1)

    async def report(self, report: WorkerReport) -> list[WorkerReport]:
        """See `ports.PartitionLog.report`."""
        rows = await run_script(self._client, Call(scripts.REPORT, [WORKERS], [report.worker, report.to_json()]))
        reports = [WorkerReport.from_json(row) for row in rows[1::2]]
        with redis_errors():
            gone = [known.worker for known in reports if known.seen_ms < report.seen_ms - FORGOTTEN_MS]
            if gone:
                await self._client.hdel(WORKERS, *gone)
        return [known for known in reports if known.worker not in gone]

    async def withdraw(self, worker: str) -> None:
        """See `ports.PartitionLog.withdraw`."""
        with redis_errors():
            await self._client.hdel(WORKERS, worker)

    async def _fields(self, refs: Sequence[RunRef], *names: str) -> list[list[bytes | None]]:
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for ref in refs:
                    pipeline.hmget(self._keys.of_run(ref).run(ref), list(names))
                return cast(list[list[bytes | None]], await pipeline.execute())

    def _commit_call(self, commit: PartitionCommit) -> Call:
        keys = self._keys[commit.partition]
        names = [keys.fence, keys.cursor, keys.counts, keys.steps, keys.outbox, keys.parked, keys.alerts, keys.feed]
        names += (keys.tally, keys.shadows)
        packed = [b"".join(score.to_bytes() for score in run.scores) for run in commit.runs]
        feed_frame = to_feed_frame(commit.runs, packed)
        arguments: list[Argument] = [
            commit.fence,
            commit.cursor,
            commit.entries,
            "" if self._archived else entry_after(commit.cursor),
            keys.scored,
            to_frame(commit.runs, packed),
            feed_frame,
            kept_frames(len(feed_frame)),
            len(commit.parked),
        ]
        for parked in commit.parked:
            entry = parked.entry
            arguments += (entry.ref.name, entry.position, entry.received_us, entry.client_id, parked.reason, entry.data)
        arguments += (len(commit.dropped), *commit.dropped)
        arguments.append(len(commit.shadow_counts))
        for name, amount in commit.shadow_counts.items():
            arguments += (":".join(name), amount)
        arguments.append(len(commit.runs))
        for run, scores in zip(commit.runs, packed, strict=True):
            names += (keys.run(run.ref), keys.scores(run.ref), keys.run_alerts(run.ref))
            # A run that is over moves in the tally with its first score and its first alert: others need no look.
            arguments.append(run.ref.name if run.alerts or run.first_position == 0 or run.summary.parked else "")
            arguments += (run.state, run.summary.to_bytes(), run.first_position * SCORE_BYTES, scores)
            arguments += (run.shadow_state, b"" if run.shadow is None else run.shadow.to_bytes(), len(run.alerts))
            for alert in run.alerts:
                member = "" if alert.hidden else f"{run.ref.name}#{alert.episode}"
                arguments += (member, alert.episode, alert.created_ms, alert.body)
        return Call(scripts.COMMIT, names, arguments)


def entry_after(entry_id: str) -> str:
    """The smallest stream id above this one."""
    milliseconds, _, sequence = entry_id.partition("-")
    return f"{milliseconds}-{int(sequence) + 1}"


def _to_entry(partition: int, entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    return Entry(
        partition=partition,
        entry_id=entry_id.decode(),
        ref=RunRef.from_name(fields[b"r"].decode()),
        position=int(fields[b"p"]),
        data=fields[b"d"],
        received_us=int(fields[b"t"]),
        client_id=fields[b"i"].hex(),
    )
