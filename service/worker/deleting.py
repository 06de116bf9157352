"""Deletes runs: out of Redis by the partition's owner, between two batches; then out of every worker's archive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from service.errors import TransientError
from service.ports import DeletionLog, StepArchive
from service.records import RunRef
from service.worker.holding import Holding

log = logging.getLogger(__name__)

EVERY_S = 0.5
ASIDE_S = 60.0

Erasing = Callable[[Holding], Awaitable[bool]]
FindAlerts = Callable[[RunRef], Awaitable[list[str]]]
ForgetDeliveries = Callable[[int, RunRef, list[str]], Awaitable[None]]


class Deleter:
    """Does what was asked for. `aside` does something to a partition between two batches. `writing` are the locks under
    which this process adds to its archive: once each was had, nothing that was read before a run was erased is still on
    its way there."""

    def __init__(
        self,
        deletions: DeletionLog,
        worker: str,
        held: Callable[[], Mapping[int, Holding]],
        aside: Callable[[int, Erasing], Awaitable[bool]],
        archive: StepArchive | None,
        writing: Sequence[asyncio.Lock],
        find_alerts: FindAlerts,
        forget_deliveries: ForgetDeliveries,
    ) -> None:
        self._deletions = deletions
        self._worker = worker
        self._held = held
        self._aside = aside
        self._archive = archive
        self._writing = writing
        self._find_alerts = find_alerts
        self._forget_deliveries = forget_deliveries

    async def run(self, stop: asyncio.Event) -> None:
        """Delete until `stop`. What fails is tried again."""
        while not stop.is_set():
            try:
                await self.round()
            except (OSError, TransientError, TimeoutError) as error:
                log.error("a run cannot be deleted yet: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_S)

    async def round(self) -> None:
        """Do what waits now. Raises OSError, TransientError, TimeoutError."""
        for partition, ref in await self._deletions.waiting(sorted(self._held())):
            erasing = self._aside(partition, lambda holding, ref=ref: self._erase(holding, ref))  # type: ignore[misc]
            if await asyncio.wait_for(erasing, ASIDE_S):
                await self._deletions.erased(ref, now_ms())
                log.info("a run of partition %d was deleted from Redis: %s", partition, ref.deletion_id)
        for deletion in await self._deletions.unclean(self._worker, now_ms()):
            if self._archive is not None and not await self._clean(self._archive, deletion.digest, deletion.since_ms):
                continue
            await self._deletions.clean(deletion, self._worker, now_ms())

    async def _erase(self, holding: Holding, ref: RunRef) -> bool:
        async def forget() -> None:
            # While the run's alerts are known, and no more of them can be taken out of the outbox.
            await self._forget_deliveries(holding.lease.partition, ref, await self._find_alerts(ref))

        if not await self._deletions.erase(holding.lease, ref, forget):
            return False
        holding.drop(ref)
        return True

    async def _clean(self, archive: StepArchive, digest: str, since_ms: int) -> bool:
        for holding in list(self._held().values()):
            holding.unarchived.forget()
        for lock in self._writing:
            async with lock:
                pass
        await asyncio.to_thread(archive.rotate)
        return await asyncio.to_thread(archive.erase, {digest}, since_ms)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
