"""Takes what is scored out of the log: first into the archive, then off the stream, partition by partition."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Sequence

from service.errors import TransientError
from service.ports import PartitionLog, StepArchive
from service.records import Entry
from service.telemetry import WorkerMetrics
from service.worker.holding import Holding

log = logging.getLogger(__name__)

# Steps are archived at least so often, and sooner where so many bytes wait: large frames compress better and cost fewer
# syncs, and what waits takes memory here and in Redis.
EVERY_S = 0.5
SOON_BYTES = 4 * 2**20
READ_AT_ONCE = 256
PAUSE_S = 2.0


class Archiver:
    """Archives what `scored` is told of, and what earlier owners of the partitions left behind."""

    def __init__(
        self,
        log_: PartitionLog,
        archive: StepArchive,
        held: Callable[[], Collection[Holding]],
        metrics: WorkerMetrics,
    ) -> None:
        self._log = log_
        self._archive = archive
        self._held = held
        self._metrics = metrics
        self._waiting_bytes = 0
        self._soon = asyncio.Event()
        self.writing = asyncio.Lock()
        """Held while entries are on their way into the archive."""

    def scored(self, holding: Holding, entries: Sequence[Entry]) -> None:
        """Note entries that were just committed, all of one partition, in order."""
        holding.unarchived.add(entries)
        self._waiting_bytes += sum([len(entry.data) for entry in entries])
        if self._waiting_bytes >= SOON_BYTES:
            self._soon.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Archive until `stop`, and what is scored by then too."""
        while True:
            last = stop.is_set()
            try:
                async with self.writing:
                    await self.round()
            except (OSError, TransientError) as error:
                # Nothing is lost: what is not archived stays in the log, and the log refuses steps before it is full.
                log.error("scored steps cannot be archived and stay in Redis: %s", error)
                self._metrics.archive_failures.inc()
                if not last:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), PAUSE_S)
            if last:
                return
            self._soon.clear()
            waits = [asyncio.ensure_future(one.wait()) for one in (self._soon, stop)]
            await asyncio.wait(waits, timeout=EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()

    async def round(self) -> None:
        """Archive what waits now. Raises OSError, TransientError; then that is read again from the log."""
        self._waiting_bytes = 0
        behind = [one for one in self._held() if one.unarchived.waits and not one.lost]
        while behind:
            try:
                await self._archive_next(behind)
            except BaseException:
                for one in behind:
                    one.unarchived.forget()
                raise
            behind = [one for one in behind if one.unarchived.waits and not one.lost and not one.unarchived.at_hand]

    async def _archive_next(self, behind: Sequence[Holding]) -> None:
        batches = [await self._next(one) for one in behind]
        entries = [entry for batch in batches for entry in batch]
        if entries:
            await asyncio.to_thread(self._archive.write, entries)
        # Where the log gives nothing more (it was trimmed by somebody else), all of it is through.
        done = [
            (one, batch[-1].entry_id if batch else one.unarchived.until)
            for one, batch in zip(behind, batches, strict=True)
        ]
        await self._log.trim([(one.lease, entry_id) for one, entry_id in done])
        for one, entry_id in done:
            one.unarchived.archived(entry_id)
        self._metrics.archived.inc(len(entries))

    async def _next(self, holding: Holding) -> Sequence[Entry]:
        unarchived = holding.unarchived
        taken = unarchived.take()
        if taken:
            return taken
        return await self._log.read_between(holding.lease.partition, unarchived.after, unarchived.until, READ_AT_ONCE)
