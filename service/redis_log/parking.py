"""Parked steps in Redis: listing, finding, putting back, throwing away."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, cast

from service.errors import NotFound
from service.records import ParkedStep, RunRef
from service.redis_log import scripts
from service.redis_log.connection import RedisClient, redis_errors, run_script
from service.redis_log.keys import KeySpace
from service.redis_log.scripts import Call

_PARKED_ID = re.compile(r"(\d{1,19}-\d{1,19})@(\d{1,4})", re.ASCII)
# So many entries a call: Redis holds their raw steps, a megabyte each at worst, while the script runs.
SCANNED_AT_ONCE = 64


class RedisParking:
    """Parking on Redis."""

    def __init__(self, client: RedisClient, keys: KeySpace) -> None:
        self._client = client
        self._keys = keys

    async def list_parked(self, limit: int, ref: RunRef | None = None) -> list[ParkedStep]:
        """See `ports.Parking.list_parked`."""
        partitions = self._partitions if ref is None else (self._keys.partition_of(ref),)
        found: list[ParkedStep] = []
        for partition in partitions:
            found += await self._list_partition(partition, limit, ref)
        return sorted(found, key=_age)[:limit]

    async def find(self, parked_id: str) -> ParkedStep:
        """See `ports.Parking.find`."""
        entry_id, partition = self._place(parked_id)
        call = Call(scripts.LIST_PARKED, [self._keys[partition].parked], [entry_id, 1, "1"])
        found = [to_parked(partition, row) for row in await run_script(self._client, call)]
        if not found or found[0].entry_id != entry_id:
            raise NotFound(f"nothing is parked as {parked_id}: `forewarn parked list` shows what is")
        return found[0]

    async def release(self, parked: ParkedStep) -> int:
        """See `ports.Parking.release`."""
        keys = self._keys[parked.partition]
        names = [keys.parked, keys.steps, keys.run(parked.ref), keys.counts, keys.closed]
        call = Call(scripts.UNPARK, names, [parked.entry_id, time.time_ns() // 1000])
        answer = await run_script(self._client, call, durable=True)
        if answer == -1:
            raise NotFound(f"{parked.parked_id} is parked no more")
        if answer == -2:
            raise NotFound(
                f"run {parked.ref.run_id} was deleted, so {parked.parked_id} has no state to be scored with: drop it"
            )
        if answer == -3:
            raise NotFound(
                f"the raw step of {parked.parked_id} was not kept, since its project keeps no content: drop it"
            )
        return int(answer)

    async def drop(self, parked: Sequence[ParkedStep]) -> int:
        """See `ports.Parking.drop`."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for one in parked:
                    pipeline.xdel(self._keys[one.partition].parked, one.entry_id)
                return sum(cast("list[int]", await pipeline.execute()))

    async def counts(self) -> list[int]:
        """See `ports.Parking.counts`."""
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in self._partitions:
                    pipeline.xlen(self._keys[partition].parked)
                return cast("list[int]", await pipeline.execute())

    @property
    def _partitions(self) -> range:
        return range(self._keys.count)

    async def _list_partition(self, partition: int, limit: int, ref: RunRef | None) -> list[ParkedStep]:
        found: list[ParkedStep] = []
        start = "-"
        while len(found) < limit:
            call = Call(scripts.LIST_PARKED, [self._keys[partition].parked], [start, SCANNED_AT_ONCE, ""])
            rows = [to_parked(partition, row) for row in await run_script(self._client, call)]
            found += [row for row in rows if ref is None or row.ref == ref]
            if len(rows) < SCANNED_AT_ONCE:
                break
            start = f"({rows[-1].entry_id}"
        return found[:limit]

    def _place(self, parked_id: str) -> tuple[str, int]:
        match = _PARKED_ID.fullmatch(parked_id)
        if match is None or int(match[2]) >= self._keys.count:
            raise NotFound(f"{parked_id!r:.100} names no parked step: they are named like 1767225600000-0@3")
        return match[1], int(match[2])


def to_parked(partition: int, row: Sequence[Any]) -> ParkedStep:
    """A parked step of the row that the script gives."""
    entry_id, name, position, received_us, client_id, reason, size, data = row
    return ParkedStep(
        partition=partition,
        entry_id=entry_id.decode(),
        ref=RunRef.from_name(name.decode()),
        position=int(position),
        received_us=int(received_us),
        client_id=client_id.decode("utf-8", "replace"),
        reason=reason.decode("utf-8", "replace"),
        data_bytes=int(size),
        data=data,
    )


def _age(parked: ParkedStep) -> tuple[int, int, int]:
    at, _, number = parked.entry_id.partition("-")
    return int(at), int(number), parked.partition
