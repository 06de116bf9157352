"""From the outbox to deliveries: every event becomes one pending delivery for each webhook of its project that is to
get it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence

from service.alerts.metrics import DeliveryMetrics
from service.alerts.records import RUN_ALERT, OutboxAlert, parse_outbox_alert
from service.alerts.registry import WebhookRegistry
from service.alerts.store import STORE_ERRORS, DeliveryStore, FanOutItem, OutboxEntry
from service.alerts.webhook import Webhook

logger = logging.getLogger(__name__)

# How long one blocking read waits: bounds how late a partition gained meanwhile is read, and how long stopping takes.
BLOCK_MS = 250
# How long alerts are gathered after a round, before the next.
GATHER_S = 0.02


class FanOut:
    """Reads the outboxes of owned partitions and makes deliveries.

    Nothing is lost and nothing doubled by a crash: an entry leaves the outbox in the same step that makes its
    deliveries, whose ids follow from alert and webhook. So two owners at once do no harm either.
    """

    def __init__(
        self,
        store: DeliveryStore,
        registry: WebhookRegistry,
        owned_partitions: Callable[[], Collection[int]],
        metrics: DeliveryMetrics,
        *,
        wake: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._registry = registry
        self._owned = owned_partitions
        self._metrics = metrics
        self._wake = wake
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Fans out until `stop` is set. Waits out an unreachable Redis."""
        pause_s = 0.05
        while not stop.is_set():
            try:
                busy = await self.round(BLOCK_MS)
                pause_s = 0.05
                if busy:
                    self._wake()
                    # Alerts come one by one; a round for each of them would cost the scoring beside it a tenth.
                    await asyncio.sleep(GATHER_S)
                elif not self._owned():
                    await asyncio.sleep(0.1)
            except STORE_ERRORS as error:
                logger.warning("reading the outbox failed, trying again in %.2f s: %s", pause_s, error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 2.0)

    async def round(self, block_ms: int) -> int:
        """Fans out what the outboxes hold, after waiting up to `block_ms` for a first entry. Returns how many
        entries it saw."""
        owned = sorted(self._owned())
        if not owned:
            return 0
        entries = await self._store.read_outboxes(owned, block_ms=block_ms)
        webhooks: dict[str, list[Webhook]] = {}
        ready: list[FanOutItem] = []
        for entry in entries:
            alert = await self._parse(entry)
            if alert is not None and alert.project not in webhooks:
                webhooks[alert.project] = await self._registry.of_project(alert.project)
            if alert is not None or entry.alert is None:
                ready.append(FanOutItem(entry, alert, addressees(alert, webhooks[alert.project]) if alert else ()))
        self._metrics.fanned_out.inc(await self._store.fan_out(ready, self._now_ms()))
        return len(entries)

    async def _parse(self, entry: OutboxEntry) -> OutboxAlert | None:
        if entry.alert is None:
            return None
        try:
            return parse_outbox_alert(entry.alert)
        except ValueError as error:
            logger.exception("outbox entry %s of partition %d is parked", entry.entry_id, entry.partition)
            self._metrics.parked.inc()
            await self._store.park(entry, str(error))
            return None

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def addressees(alert: OutboxAlert, webhooks: Sequence[Webhook]) -> list[Webhook]:
    """Those of a project's webhooks that are to get an event. Alerts for a disabled webhook are kept for it, as failed
    deliveries; notices are not, and never go to the webhook that they are about."""
    admitted = [webhook for webhook in webhooks if webhook.filters.admit(alert.event_type, alert.data)]
    if alert.event_type == RUN_ALERT:
        return admitted
    return [one for one in admitted if one.disabled is None and one.id != alert.data.get("webhook_id")]
