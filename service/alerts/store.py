"""Deliveries in Redis: the one place of alert delivery that runs commands and scripts on a partition's keys."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from service.alerts import keys, scripts
from service.alerts.availability import needs_redis
from service.alerts.errors import DeliveryNotFound
from service.alerts.policy import Attempt, DeliveryPolicy, DeliveryState, Settlement
from service.alerts.records import Delivery, OutboxAlert, delivery_id, partition_of_delivery
from service.alerts.webhook import Webhook
from service.core.alerting import read_alert_id
from service.errors import TransientError
from service.records import RunRef, RunSummary
from service.redis_log.connection import RedisClient, run_script, run_scripts
from service.redis_log.keys import PartitionKeys, acknowledgement_field
from service.redis_log.scripts import Call, Script

# What a store or registry raises while Redis is out of reach, full, or unable to run a command.
STORE_ERRORS = (TransientError, RedisError)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One entry read from a partition's outbox; `alert` is None for a wake-up call."""

    partition: int
    entry_id: str
    alert: bytes | None


@dataclass(frozen=True, slots=True)
class FanOutItem:
    """An outbox entry and whom its alert goes to; without an alert it is only taken away."""

    entry: OutboxEntry
    alert: OutboxAlert | None
    webhooks: Sequence[Webhook]


@dataclass(frozen=True, slots=True)
class DueWebhook:
    """A webhook with pending deliveries in a partition, the earliest of them due at `due_ms`."""

    partition: int
    webhook_id: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class AlertNow:
    """What has become of an alert by now."""

    acknowledged: bool
    run_over: bool
    """The run has ended, has an outcome, has expired, or is no longer known."""
    episode_over: bool = False
    """The run is over, or out of this episode."""


class DeliveryStore:
    """Reads and moves deliveries. The client must answer in bytes (`decode_responses=False`)."""

    def __init__(self, redis: RedisClient, policy: DeliveryPolicy | None = None) -> None:
        self._redis = redis
        self._outboxes = redis.stream_reader()
        self.policy = policy or DeliveryPolicy()

    @needs_redis
    async def read_outboxes(self, partitions: Collection[int], *, block_ms: int, count: int = 64) -> list[OutboxEntry]:
        """What waits in the outboxes, oldest first in each; waits up to `block_ms` for a first entry. Removes
        nothing."""
        streams = {keys.outbox_key(partition): "0" for partition in partitions}
        partition_of = {keys.outbox_key(partition).encode(): partition for partition in partitions}
        found = []
        for stream, rows in await self._outboxes.read(streams, count, block_ms):
            for entry_id, fields in rows:
                alert = (fields or {}).get(keys.OUTBOX_FIELD.encode())
                found.append(OutboxEntry(partition_of[stream], entry_id.decode(), alert))
        return found

    @needs_redis
    async def fan_out(self, items: Sequence[FanOutItem], now_ms: int) -> int:
        """Turns each outbox entry into one pending delivery a webhook and removes it, in one step an entry and one
        round trip for all. Returns how many deliveries are new."""
        made = 0
        for answer in await run_scripts(self._redis, [self._fan_out_call(item, now_ms) for item in items]):
            if isinstance(answer, Exception):
                raise answer
            made += max(0, int(answer))
        return made

    def _fan_out_call(self, item: FanOutItem, now_ms: int) -> Call:
        partition, alert = item.entry.partition, item.alert
        arguments: list[Any] = [keys.partition_prefix(partition), item.entry.entry_id, now_ms]
        arguments.append(self.policy.keep_failed_ms)
        if alert is not None and item.webhooks:
            body, expires_ms = alert.body(), alert.created_ms + self.policy.ttl_ms
            for webhook in item.webhooks:
                name = delivery_id(partition, alert.alert_id, webhook.id)
                arguments += [name, webhook.id, alert.alert_id, alert.project, alert.run_id]
                arguments += [body, alert.created_ms, expires_ms]
        return Call(scripts.FAN_OUT, [keys.outbox_key(partition), keys.due_key(partition)], arguments)

    @needs_redis
    async def park(self, entry: OutboxEntry, reason: str) -> None:
        """Moves an entry that cannot be read aside, with the reason."""
        touched = [keys.outbox_key(entry.partition), keys.parked_key(entry.partition)]
        await self._run(scripts.PARK, touched, [entry.entry_id, entry.alert or b"", reason])

    @needs_redis
    async def due_webhooks(self, partitions: Collection[int], limit: int = 1000) -> list[DueWebhook]:
        """The webhooks with pending deliveries, due or not, the earliest first, at most `limit` a partition."""
        owned = list(partitions)
        async with self._redis.pipeline(transaction=False) as pipe:
            for partition in owned:
                pipe.zrange(keys.due_key(partition), 0, limit - 1, withscores=True)
            answers = await pipe.execute()
        found = [
            DueWebhook(partition, webhook_id.decode(), int(score))
            for partition, rows in zip(owned, answers, strict=True)
            for webhook_id, score in rows
        ]
        return sorted(found, key=lambda due: due.due_ms)

    @needs_redis
    async def claim(self, partition: int, webhook_id: str, *, now_ms: int, limit: int) -> list[Delivery]:
        """Takes up to `limit` due deliveries of a webhook; each counts as an attempt begun, and is due anew when
        the claim lapses."""
        rows = await self._run(
            scripts.CLAIM,
            [keys.webhook_due_key(partition, webhook_id), keys.due_key(partition)],
            [keys.partition_prefix(partition), webhook_id, now_ms, now_ms + self.policy.claim_ms, limit],
        )
        return [Delivery.from_fields(_fields(row)) for row in rows]

    @needs_redis
    async def alerts_now(self, partition: int, deliveries: Sequence[Delivery]) -> list[AlertNow]:
        """What has become of the alerts of some deliveries, in one round trip."""
        core = PartitionKeys(partition)
        async with self._redis.pipeline(transaction=False) as pipe:
            for delivery in deliveries:
                ref, named = RunRef(delivery.project, delivery.run_id), read_alert_id(delivery.alert_id)
                pipe.hmget(core.run(ref), ["created_ms", "summary", "ended_ms", "success", "expired"])
                pipe.hexists(core.run_alerts(ref), acknowledgement_field(named[1] if named else 0))
            answers = await pipe.execute()
        return [
            _alert_now(delivery, run, bool(acknowledged))
            for delivery, run, acknowledged in zip(deliveries, answers[::2], answers[1::2], strict=True)
        ]

    @needs_redis
    async def settle(
        self, partition: int, delivery: Delivery, settlement: Settlement, attempt: Attempt | None, now_ms: int
    ) -> bool:
        """Records what an attempt came to. False if it came too late: settled by another, or tried again since."""
        fields: list[Any] = ["error", settlement.error, "settled_ms", 0 if settlement.state == "pending" else now_ms]
        if settlement.held:
            fields += ["held", 1, "holds", delivery.holds + 1, "tries", delivery.tries - 1]
            fields += ["expires_ms", settlement.next_ms + self.policy.ttl_ms]
        if attempt is not None:
            fields += ["status", attempt.status or "", "latency_ms", round(attempt.latency_ms, 3)]
        written = await self._run(
            scripts.SETTLE,
            [
                keys.delivery_key(partition, delivery.id),
                keys.webhook_due_key(partition, delivery.webhook_id),
                keys.due_key(partition),
            ],
            [
                *(delivery.id, delivery.webhook_id, delivery.attempts, settlement.state, settlement.next_ms),
                *(self.policy.keep_ms(settlement.state), *fields),
            ],
        )
        return bool(written)

    @needs_redis
    async def forget(self, partition: int, project: str, alert_ids: Sequence[str]) -> None:
        """Delete these alerts' deliveries to the webhooks that the project has, whatever their state."""
        webhooks: Any = await self._redis.hkeys(keys.webhooks_key(project))
        for webhook_id in [raw.decode() for raw in webhooks]:
            for alert_id in alert_ids:
                known = delivery_id(partition, alert_id, webhook_id)
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.delete(keys.delivery_key(partition, known))
                    pipe.zrem(keys.webhook_due_key(partition, webhook_id), known)
                    pipe.zrem(keys.webhook_deliveries_key(partition, webhook_id), known)
                    await pipe.execute()

    @needs_redis
    async def redeliver(self, webhook: Webhook, raw_delivery_id: str, partitions: int, now_ms: int) -> None:
        """Makes a delivery due now, with its old id and a fresh time to live. Raises `DeliveryNotFound`."""
        partition = partition_of_delivery(raw_delivery_id)
        if partition is None or partition >= partitions:
            raise DeliveryNotFound(raw_delivery_id)
        written = await self._run(
            scripts.REDELIVER,
            [
                keys.delivery_key(partition, raw_delivery_id),
                keys.webhook_due_key(partition, webhook.id),
                keys.due_key(partition),
                keys.outbox_key(partition),
            ],
            [raw_delivery_id, webhook.id, now_ms, now_ms + self.policy.ttl_ms],
        )
        if not written:
            raise DeliveryNotFound(raw_delivery_id)

    @needs_redis
    async def redeliver_all(
        self, webhook: Webhook, state: DeliveryState, partitions: int, now_ms: int, *, limit: int
    ) -> int:
        """Does so with a webhook's deliveries in a state, at most `limit`, the newest first; how many."""
        found = await self.deliveries_of(webhook.id, partitions, state=state, limit=limit)
        redelivered = 0
        for delivery in found:
            try:
                await self.redeliver(webhook, delivery.id, partitions, now_ms)
            except DeliveryNotFound:  # aged away meanwhile
                continue
            redelivered += 1
        return redelivered

    @needs_redis
    async def hurry(self, webhook_id: str, partitions: int, now_ms: int) -> None:
        """Has what quiet hours hold back for a webhook judged anew: they are others now, or none."""
        calls = [
            Call(
                scripts.HURRY,
                [keys.webhook_due_key(partition, webhook_id), keys.due_key(partition), keys.outbox_key(partition)],
                [keys.partition_prefix(partition), webhook_id, now_ms],
            )
            for partition in range(partitions)
        ]
        for answer in await run_scripts(self._redis, calls):
            if isinstance(answer, Exception):
                raise answer

    @needs_redis
    async def post_notice(self, notice: bytes) -> None:
        """Puts a notice of this package into an outbox: always the same one, so that whoever else posts the same
        notice makes no second delivery."""
        await self._redis.xadd(keys.outbox_key(0), {keys.OUTBOX_FIELD: notice})

    @needs_redis
    async def deliveries_of(
        self, webhook_id: str, partitions: int, *, state: DeliveryState | None = None, limit: int = 50
    ) -> list[Delivery]:
        """The latest deliveries of a webhook over all partitions, newest first, at most `limit` of the asked state."""
        per_partition = [self._deliveries_in(partition, webhook_id, state, limit) for partition in range(partitions)]
        found = [delivery for part in await asyncio.gather(*per_partition) for delivery in part]
        found.sort(key=lambda delivery: (delivery.created_ms, delivery.id), reverse=True)
        return found[:limit]

    @needs_redis
    async def pending_count(self, due: Sequence[DueWebhook]) -> int:
        """How many deliveries are pending for these webhooks."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in due:
                pipe.zcard(keys.webhook_due_key(one.partition, one.webhook_id))
            return sum(await pipe.execute())

    async def _deliveries_in(
        self, partition: int, webhook_id: str, state: DeliveryState | None, limit: int, page: int = 200
    ) -> list[Delivery]:
        found: list[Delivery] = []
        start = 0
        while len(found) < limit:
            ids: Any = await self._redis.zrevrange(
                keys.webhook_deliveries_key(partition, webhook_id), start, start + page - 1
            )
            async with self._redis.pipeline(transaction=False) as pipe:
                for raw_id in ids:
                    pipe.hgetall(keys.delivery_key(partition, raw_id.decode()))
                rows = await pipe.execute()
            known = [Delivery.from_fields(row) for row in rows if row]  # a record that aged away leaves an empty row
            found += [delivery for delivery in known if state is None or delivery.state == state]
            if len(ids) < page:
                break
            start += page
        return found[:limit]

    async def _run(self, script: Script, touched: Sequence[str], arguments: Sequence[Any]) -> Any:
        return await run_script(self._redis, Call(script, touched, arguments))


def _alert_now(delivery: Delivery, run: Sequence[bytes | None], acknowledged: bool) -> AlertNow:
    if not delivery.run_id:  # a notice, of no run
        return AlertNow(False, False)
    created, summary, *ends = run
    run_over = created is None or any(end is not None for end in ends)
    named, now = read_alert_id(delivery.alert_id), RunSummary.from_bytes(summary)
    episode_over = named is None or not now.warning or now.alerts != named[1]
    return AlertNow(acknowledged, run_over, run_over or episode_over)


def _fields(row: Sequence[bytes]) -> Mapping[bytes, bytes]:
    return dict(zip(row[::2], row[1::2], strict=True))
