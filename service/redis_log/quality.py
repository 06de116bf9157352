"""What quality is told from, in Redis: tallies, runs that ended, runs with an outcome, and what was kept of earlier
looks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from service.core.quality.finished import LOOKED_AT_STEPS, FinishedRun, to_finished
from service.core.quality.store import Cursors
from service.records import SCORE_BYTES, RunRecord, RunRef
from service.redis_log import scripts
from service.redis_log.connection import RedisClient, redis_errors, run_script
from service.redis_log.keys import QUALITY, KeySpace
from service.redis_log.runs import RedisRunReader
from service.redis_log.scripts import Call

CURSORS = "cursors"
SPARE = 20
# The event loop takes them in at one go, 64 KB for a long run.
READ_AT_ONCE = 25


class _Field(NamedTuple):
    """A field of a hash."""

    key: str
    name: str


class RedisQualityStore:
    """QualityStore on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace, reader: RedisRunReader) -> None:
        self._client = client
        self._keys = keys
        self._reader = reader

    async def read_tallies(self) -> dict[str, int]:
        """See `QualityStore.read_tallies`."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in range(self._keys.count):
                    pipeline.hgetall(self._keys[partition].tally)
                answers: list[Any] = await pipeline.execute()
        found: dict[str, int] = {}
        for rows in answers:
            for name, runs in rows.items():
                found[name.decode()] = found.get(name.decode(), 0) + int(runs)
        return found

    async def read_kept(self) -> dict[str, bytes]:
        """See `QualityStore.read_kept`."""
        with redis_errors():
            rows: Any = await cast(Any, self._client.hgetall(QUALITY))
        return {name.decode(): value for name, value in rows.items()}

    async def write_kept(self, cursors: bytes, new: Mapping[str, bytes]) -> bool:
        """See `QualityStore.write_kept`."""
        arguments = [CURSORS, cursors, *(part for pair in new.items() for part in pair)]
        return bool(await run_script(self._client, Call(scripts.SWAP_FIELDS, [QUALITY], arguments)))

    async def forget(self, project: str) -> None:
        """Take away what is counted and kept of a project: a later one of its name begins with nothing."""
        names = [_Field(QUALITY, name) for name in await self.read_kept() if name.startswith(f"{project}:")]
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in range(self._keys.count):
                    pipeline.hkeys(self._keys[partition].tally)
                answers: list[Any] = await pipeline.execute()
            for partition, fields in enumerate(answers):
                counted = [field.decode() for field in fields]
                own = [field for field in counted if field.startswith(f"{project}:")]
                names += [_Field(self._keys[partition].tally, field) for field in own]
            for key, name in names:
                await cast(Any, self._client.hdel(key, name))

    async def read_ended(
        self, cursors: Mapping[str, int], until_ms: int, count: int
    ) -> tuple[list[FinishedRun], Cursors, bool]:
        """See `QualityStore.read_ended`."""
        share = max(1, count // self._keys.count)
        moved = dict(cursors)
        names, more = [], False
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in range(self._keys.count):
                    after = f"({moved.get(str(partition), 0)}"
                    pipeline.zrangebyscore(
                        self._keys[partition].ended, after, until_ms, start=0, num=share + 1, withscores=True
                    )
                answers: list[Any] = await pipeline.execute()
            for partition, rows in enumerate(answers):
                taken = rows
                if len(rows) > share:
                    # As far as the page goes, but no millisecond in halves: the cursor could not say which half.
                    more, last_ms = True, int(rows[share - 1][1])
                    after = f"({moved.get(str(partition), 0)}"
                    taken = await self._client.zrangebyscore(
                        self._keys[partition].ended, after, last_ms, withscores=True
                    )
                names += [name.decode() for name, _ in taken]
                if taken:
                    moved[str(partition)] = int(taken[-1][1])
        found = await self.read_finished(names)
        return list(found.values()), moved, more

    async def newest_labelled(self, count: int) -> dict[str, int]:
        """See `QualityStore.newest_labelled`."""
        # Of each partition somewhat more than its share: all that could be among them would be `count` times the
        # partitions. Where that is not enough, more.
        partitions = range(self._keys.count)
        share = min(count, 2 * count // self._keys.count + SPARE)
        found = await self._newest_of(partitions, share)
        marks = sorted((mark for own in found.values() for mark in own), reverse=True)[:count]
        oldest = marks[-1] if len(marks) == count else (0, "")
        more = [one for one in partitions if len(found[one]) == share < count and found[one][-1] > oldest]
        if more:
            found |= await self._newest_of(more, count)
            marks = sorted((mark for own in found.values() for mark in own), reverse=True)[:count]
        return {name: said for said, name in marks}

    async def _newest_of(self, partitions: Sequence[int], count: int) -> dict[int, list[tuple[int, str]]]:
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in partitions:
                    pipeline.zrevrange(self._keys[partition].labelled, 0, count - 1, withscores=True)
                answers: list[Any] = await pipeline.execute()
        return {
            partition: [(int(said), name.decode()) for name, said in rows]
            for partition, rows in zip(partitions, answers, strict=True)
        }

    async def read_finished(self, names: Sequence[str]) -> dict[str, FinishedRun]:
        """See `QualityStore.read_finished`."""
        found: dict[str, FinishedRun] = {}
        for at in range(0, len(names), READ_AT_ONCE):
            refs = [RunRef.from_name(name) for name in names[at : at + READ_AT_ONCE]]
            records = await self._reader.read_runs(refs)
            with redis_errors():
                async with self._client.pipeline(transaction=False) as pipeline:
                    for ref in refs:
                        scores = self._keys.of_run(ref).scores(ref)
                        pipeline.getrange(scores, 0, LOOKED_AT_STEPS * SCORE_BYTES - 1)
                    rows: list[Any] = await pipeline.execute()
            # In a thread: long runs' records are a millisecond each to look through.
            found |= await asyncio.to_thread(_to_finished, records, rows)
        return found


def _to_finished(records: Sequence[RunRecord | None], rows: Sequence[bytes]) -> dict[str, FinishedRun]:
    return {
        record.ref.name: to_finished(record, raw[: len(raw) - len(raw) % SCORE_BYTES])
        for record, raw in zip(records, rows, strict=True)
        if record is not None
    }
