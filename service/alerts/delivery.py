"""The loop that gets alerts to their webhooks: fan out, claim what is due, send, record."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from prometheus_client import CollectorRegistry

from service.alerts import formats
from service.alerts.disabling import Disabling
from service.alerts.fanout import FanOut
from service.alerts.gate import stopped
from service.alerts.metrics import DeliveryMetrics, answer_label
from service.alerts.policy import Attempt, DeliveryPolicy, Settlement
from service.alerts.records import Delivery, mark_stale
from service.alerts.registry import WebhookRegistry
from service.alerts.sending import Sender
from service.alerts.store import STORE_ERRORS, AlertNow, DeliveryStore, DueWebhook
from service.alerts.targets import TargetGuard
from service.alerts.webhook import Webhook
from service.redis_log.connection import RedisClient

logger = logging.getLogger(__name__)

# With nothing to wake it, the loop looks this often: for deliveries of partitions gained meanwhile, and for lapsed
# claims.
LOOK_EVERY_S = 1.0
# So many starts for webhooks that have been failing one look takes on: the well ones wait for no more than these.
TROUBLED_A_LOOK = 8


class DeliveryLoop:
    """Delivers the alerts of the partitions that this process owns.

    At least once, with one stable `webhook-id` for an alert and a webhook: a delivery is claimed for a bounded time
    before it is sent, and settled after; whoever dies between leaves a claim that lapses. A webhook gets at most
    `policy.per_endpoint` requests at a time. After a failure it gets one at a time, with a rest between, until it takes
    something: so one that is slow or refuses costs the others neither places nor processor time, however many alerts
    wait for it.
    """

    def __init__(
        self,
        redis: RedisClient,
        owned_partitions: Callable[[], Collection[int]],
        *,
        allow_private: bool | Collection[str] = False,
        policy: DeliveryPolicy | None = None,
        metrics: DeliveryMetrics | None = None,
        guard: TargetGuard | None = None,
        sender: Sender | None = None,
        drain_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy or DeliveryPolicy()
        self._store = DeliveryStore(redis, self._policy)
        guard = guard or TargetGuard(allow_private)
        self._registry = WebhookRegistry(redis, guard)
        self._sender = sender or Sender(guard, timeout_ms=self._policy.timeout_ms)
        self._owned = owned_partitions
        self._metrics = metrics or DeliveryMetrics(CollectorRegistry())
        self._disabling = Disabling(self._registry, self._store, self._policy, self._metrics)
        self._drain_s = drain_s
        self._clock = clock
        self._woken = asyncio.Event()
        self._in_flight: Counter[str] = Counter()
        self._held_until_ms: dict[str, int] = {}
        self._refusals: Counter[str] = Counter()
        """Failed attempts of a webhook in a row, as this process saw them."""
        self._counted_ms = 0
        self._tasks: dict[asyncio.Task[None], tuple[int, Delivery]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers until `stop` is set; then lets what is in flight finish for `drain_s`, and hands the rest back."""
        fan_out = FanOut(
            self._store, self._registry, self._owned, self._metrics, wake=self._woken.set, clock=self._clock
        )
        try:
            await self._sender.warm()
            async with asyncio.TaskGroup() as group:
                group.create_task(fan_out.run(stop))
                group.create_task(self._dispatch(stop))
                group.create_task(self._wake_at(stop))
            await self._drain()
        finally:
            for task in self._tasks:
                task.cancel()
            await self._sender.aclose()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._woken.set()

    async def _dispatch(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._woken.clear()
            try:
                wait_s = await self._start_due()
            except STORE_ERRORS as error:
                logger.warning("looking for due webhooks failed, trying again: %s", error)
                await asyncio.sleep(0.2)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait_s)

    async def _start_due(self) -> float:
        """Starts what may start now. Returns for how long nothing more will be due, unless something wakes the loop."""
        owned = self._owned()
        known = await self._store.due_webhooks(owned) if owned else []
        now_ms = self._now_ms()
        self._held_until_ms = {webhook: until for webhook, until in self._held_until_ms.items() if until > now_ms}
        wait_ms = LOOK_EVERY_S * 1000
        ready = []
        for one in known:
            due_ms = max(one.due_ms, self._held_until_ms.get(one.webhook_id, 0))
            if due_ms > now_ms:
                wait_ms = min(wait_ms, due_ms - now_ms)
            elif self._free(one.webhook_id) > 0:  # a full webhook wakes the loop when one of its requests ends
                ready.append(one)
        # Well and idle webhooks first: where places or time run short, one that is slow or refuses takes no precedence.
        ready.sort(key=lambda one: (self._refusals[one.webhook_id], self._in_flight[one.webhook_id]))
        well = sum(not self._refusals[one.webhook_id] for one in ready)
        if len(ready) > well + TROUBLED_A_LOOK:
            del ready[well + TROUBLED_A_LOOK :]
            self._woken.set()  # the rest at the next look, after whatever has come for the well ones
        for first in range(0, len(ready), 32):
            await asyncio.gather(*(self._start(one) for one in ready[first : first + 32]))
        await self._count_pending(known)
        return wait_ms / 1000

    async def _count_pending(self, known: list[DueWebhook]) -> None:
        # After the starts and seldom: counting must not make an alert wait.
        now_ms = self._now_ms()
        if now_ms - self._counted_ms >= LOOK_EVERY_S * 900:
            self._counted_ms = now_ms
            self._metrics.pending.set(await self._store.pending_count(known) if known else 0)

    async def _start(self, due: DueWebhook) -> None:
        limit = self._free(due.webhook_id)
        if limit <= 0:
            return
        # Places are taken before the first await, so that several partitions of one webhook cannot take them twice.
        self._in_flight[due.webhook_id] += limit
        claimed: list[Delivery] = []
        try:
            claimed = await self._store.claim(due.partition, due.webhook_id, now_ms=self._now_ms(), limit=limit)
            webhook = await self._registry.find(claimed[0].project, due.webhook_id) if claimed else None
            now = await self._store.alerts_now(due.partition, claimed) if claimed else []
        except BaseException:
            claimed = []  # what was claimed comes back when the claim lapses
            raise
        finally:
            self._release(due.webhook_id, limit - len(claimed))
        for delivery, alert_now in zip(claimed, now, strict=True):
            task = asyncio.create_task(self._deliver(due.partition, delivery, webhook, alert_now))
            self._tasks[task] = (due.partition, delivery)
            task.add_done_callback(self._finished)
        if len(claimed) == limit:
            self._woken.set()  # there may be more

    async def _deliver(self, partition: int, delivery: Delivery, webhook: Webhook | None, now: AlertNow) -> None:
        attempt: Attempt | None = None
        try:
            settlement = stopped(webhook, delivery, now, self._now_ms())
            if settlement is None and webhook is not None:
                attempt = await self._attempt(webhook, delivery, now)
                settlement = self._policy.settle(
                    attempt, tries=delivery.tries, now_ms=self._now_ms(), expires_ms=delivery.expires_ms
                )
                self._let_rest(webhook.id, attempt)
            else:
                del self._refusals[delivery.webhook_id]
            assert settlement is not None
        finally:
            self._release(delivery.webhook_id, 1)  # the next may be sent while this one is recorded
            self._woken.set()
        await self._settle(partition, delivery, settlement, attempt)
        if attempt is not None and webhook is not None:
            await self._disabling.note(webhook, attempt, self._now_ms())

    async def _attempt(self, webhook: Webhook, delivery: Delivery, now: AlertNow) -> Attempt:
        event = mark_stale(delivery.body) if now.run_over else delivery.body
        self._metrics.stale.inc(now.run_over)
        with self._metrics.in_flight.track_inprogress():
            attempt = await self._sender.send(webhook, delivery.id, formats.render(webhook, event))
        self._metrics.attempts.labels(answer_label(attempt.status)).inc()
        self._metrics.attempt_seconds.observe(attempt.latency_ms / 1000)
        return attempt

    def _let_rest(self, webhook_id: str, attempt: Attempt) -> None:
        """Has a webhook's other messages wait too after a failure, for less than the failed one does; and for as long
        as the receiver asks, within reason."""
        if attempt.delivered:
            del self._refusals[webhook_id]
            return
        self._refusals[webhook_id] += 1
        asked_ms = min(attempt.retry_after_ms or 0, self._policy.longest_delay_ms)
        rest_ms = max(self._policy.rest_ms(self._refusals[webhook_id]), asked_ms)
        self._held_until_ms[webhook_id] = self._now_ms() + rest_ms

    async def _settle(
        self, partition: int, delivery: Delivery, settlement: Settlement, attempt: Attempt | None
    ) -> None:
        for pause_s in (0.1, 0.5, 2.0, None):
            try:
                written = await self._store.settle(partition, delivery, settlement, attempt, self._now_ms())
                break
            except STORE_ERRORS as error:
                if pause_s is None:  # not recorded: the claim lapses, and the receiver sees the same id again
                    logger.warning("what came of delivery %s could not be recorded: %s", delivery.id, error)
                    return
                await asyncio.sleep(pause_s)
        if not written:
            return
        if settlement.held:
            self._metrics.held.inc()
            return
        if settlement.state == "pending":
            logger.info("delivery %s, attempt %d failed: %s", delivery.id, delivery.attempts, settlement.error)
            return
        self._metrics.settled.labels(settlement.state).inc()
        if settlement.state == "delivered":
            self._metrics.alert_to_webhook_seconds.observe(max(0, self._now_ms() - delivery.alert_ms) / 1000)
        elif attempt is None:
            logger.info("delivery %s is not sent any more: %s", delivery.id, settlement.error)
        else:
            logger.warning("delivery %s has %s: %s", delivery.id, settlement.state, settlement.error)

    def _finished(self, task: asyncio.Task[None]) -> None:
        _, delivery = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("delivery %s met a defect and will be tried again", delivery.id, exc_info=error)

    def _free(self, webhook_id: str) -> int:
        places = 1 if self._refusals[webhook_id] else self._policy.per_endpoint
        unrecorded = 2 * self._policy.in_flight - len(self._tasks)
        return min(places - self._in_flight[webhook_id], self._policy.in_flight - self._in_flight.total(), unrecorded)

    def _release(self, webhook_id: str, places: int) -> None:
        self._in_flight[webhook_id] -= places
        if self._in_flight[webhook_id] <= 0:
            del self._in_flight[webhook_id]

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=self._drain_s)
        unfinished = dict(self._tasks)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self._hand_back(unfinished.values())

    async def _hand_back(self, unfinished: Iterable[tuple[int, Delivery]]) -> None:
        now_ms = self._now_ms()
        for partition, delivery in unfinished:
            handed_back = Settlement("pending", now_ms, "the sender was stopped")
            with contextlib.suppress(*STORE_ERRORS):
                await self._store.settle(partition, delivery, handed_back, None, now_ms)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
