"""Takes endings out of the log and into the archive: what a run was and how it ended, which training reads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from service.core.scoring import IsControl, no_control
from service.errors import TransientError
from service.ports import EndingArchive, EndingLog
from service.records import Ending
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
        is_control: IsControl = no_control,
    ) -> None:
        self._log = log_
        self._archive = archive
        self._held = held
        self._metrics = metrics
        self._is_control = is_control
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
            await asyncio.to_thread(self._archive.write_endings, [self._settled(one) for one in endings])
            self._metrics.archived_endings.inc(len(endings))
        await self._log.drop_endings(endings)
        return len(endings) >= READ_AT_ONCE

    def _settled(self, ending: Ending) -> Ending:
        # A run that ends before its first score is a control run, or none, by the same word that its score will get.
        if ending.control is not None:
            return ending
        return replace(ending, control=ending.steps > 0 and self._is_control(ending.ref))
