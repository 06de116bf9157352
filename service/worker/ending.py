"""Takes endings out of the log and into the archive: what a run was and how it ended, which training reads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection

from service.errors import TransientError
from service.ports import EndingArchive, EndingLog
from service.telemetry import WorkerMetrics

log = logging.getLogger(__name__)

EVERY_S = 0.5
PAUSE_S = 2.0
READ_AT_ONCE = 256


class EndingArchiver:
    """Archives endings of the partitions held; with no archive, only keeps them from filling Redis."""

    def __init__(
        self,
        log_: EndingLog,
        archive: EndingArchive | None,
        held: Callable[[], Collection[int]],
        metrics: WorkerMetrics,
    ) -> None:
        self._log = log_
        self._archive = archive
        self._held = held
        self._metrics = metrics
        self.writing = asyncio.Lock()
        """Held while endings are on their way into the archive."""

    async def run(self, stop: asyncio.Event) -> None:
        """Archive until `stop`, and once more then."""
        while True:
            last, pause_s = stop.is_set(), EVERY_S
            try:
                async with self.writing:
                    while await self.round():
                        pass
            except (OSError, TransientError) as error:
                # Nothing is lost: endings stay in the log, and the next round, or the next owner, reads them again.
                log.error("endings of runs cannot be archived and stay in Redis: %s", error)
                self._metrics.archive_failures.inc()
                pause_s = PAUSE_S
            if last:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)

    async def round(self) -> bool:
        """Archive what waits now, some at a time; True if there may be more. Raises OSError, TransientError."""
        endings = await self._log.read_endings(sorted(self._held()), READ_AT_ONCE)
        if not endings:
            return False
        if self._archive is not None:
            await asyncio.to_thread(self._archive.write_endings, endings)
            self._metrics.archived_endings.inc(len(endings))
        await self._log.drop_endings(endings)
        return len(endings) >= READ_AT_ONCE
