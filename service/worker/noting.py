"""From the episodes that a batch opened to the alerts that its commit writes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from service.core.alerting import Alerting, to_note
from service.core.evidence import FOLLOWED_STEPS, explain
from service.core.privacy.keeping import keeps_all, without_words
from service.core.scoring import ScoredBatch, ScoredRun
from service.errors import NotFound
from service.ports import MonitorShelf, PartitionLog
from service.records import AlertNote, JsonObject, RunRef

log = logging.getLogger(__name__)

Notes = dict[RunRef, tuple[AlertNote, ...]]


class AlertNoter:
    """Finds out what alerts are to say. Evidence is gathered on a thread of its own: the next batch is scored
    meanwhile, and only the commit of this one waits for it."""

    def __init__(
        self,
        log: PartitionLog,
        shelf: MonitorShelf,
        alerting: Alerting,
        keeps_content: Callable[[str], bool] = keeps_all,
    ) -> None:
        self._keeps_content = keeps_content
        self._log = log
        self._shelf = shelf
        self._alerting = alerting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evidence")

    async def note(self, batch: ScoredBatch) -> Notes:
        """The alerts of a batch, by run. To be asked once every batch before it is committed: the scores that the
        evidence looks back on are read from there."""
        alerted = {ref: run for ref, run in batch.runs.items() if run.alerts}
        if not alerted:
            return {}
        refs = list(alerted)
        said = await self._log.read_descriptions(refs)
        short = {ref: run.first_position for ref, run in alerted.items() if run.first_position <= FOLLOWED_STEPS}
        committed = dict(zip(short, await self._log.read_records(short), strict=True))
        evidence = await asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: [self._evidence(ref, run, committed.get(ref)) for ref, run in alerted.items()]
        )
        now_ms = time.time_ns() // 1_000_000
        return {
            ref: tuple(
                to_note(
                    ref,
                    opened,
                    run.memory.monitor_id,
                    description,
                    now_ms,
                    self._alerting,
                    one,
                    hidden=run.memory.summary.control,
                )
                for opened, one in zip(run.alerts, explained, strict=True)
            )
            for (ref, run), description, explained in zip(alerted.items(), said, evidence, strict=True)
        }

    def _evidence(self, ref: RunRef, run: ScoredRun, committed: bytes | None) -> list[JsonObject | None]:
        found = self._explain(run, committed)
        return found if self._keeps_content(ref.project) else [without_words(one) for one in found]

    def _explain(self, run: ScoredRun, committed: bytes | None) -> list[JsonObject | None]:
        try:
            monitor = self._shelf.find(run.memory.monitor_id)
        except NotFound as error:
            log.warning("an alert goes without evidence: %s", error)
            return [None] * len(run.alerts)
        return [explain(monitor, run, opened, committed) for opened in run.alerts]

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
