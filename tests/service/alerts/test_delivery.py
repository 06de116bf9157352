from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from standardwebhooks.webhooks import Webhook as Verifier

from service.alerts.keys import OUTBOX_FIELD, due_key, outbox_key, parked_key, partition_prefix
from service.alerts.metrics import DeliveryMetrics
from service.alerts.policy import DeliveryPolicy, Settlement
from service.alerts.records import parse_outbox_alert
from service.alerts.registry import WebhookRegistry
from service.alerts.store import DeliveryStore, FanOutItem
from service.redis_log.connection import RedisClient
from tests.service.alerts.conftest import disabled

ROOT = Path(__file__).resolve().parents[3]


async def test_an_alert_arrives_signed_as_standard_webhooks_say(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        alert_id = await open_alert(2, risk=0.75)
        request = (await receiver.wait_for(1))[0]
    payload = Verifier(webhook.secret).verify(request.body, request.headers)
    assert payload["type"] == "run.alert"
    assert payload["data"]["id"] == alert_id
    assert payload["data"]["risk"] == 0.75
    assert payload["timestamp"].endswith("Z")


async def test_every_webhook_of_the_project_and_none_of_another_gets_the_alert(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as first, receiving() as second, receiving() as foreign, delivering():
        await registry.create("default", first.url)
        await registry.create("default", second.url)
        await registry.create("another", foreign.url)
        await open_alert()
        one, two = (await first.wait_for(1))[0], (await second.wait_for(1))[0]
        await asyncio.sleep(0.1)
    assert one.webhook_id != two.webhook_id
    assert foreign.requests == []


async def test_a_failed_attempt_is_repeated_with_the_same_id_and_body(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[500, 503, 200]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        delivery = (await settled(webhook))[0]
    assert len(receiver.requests) == 3
    assert len({request.webhook_id for request in receiver.requests}) == 1
    assert len({request.body for request in receiver.requests}) == 1
    assert (delivery.attempts, delivery.status) == (3, 200)


async def test_each_attempt_carries_a_timestamp_and_signature_that_verify(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[500, 200]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        await settled(webhook)
    for request in receiver.requests:
        Verifier(webhook.secret).verify(request.body, request.headers)


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
async def test_retry_after_is_honoured(
    as_date: bool, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    now = time.time()
    date = int(now) + 2
    # A busy machine sends late: what counts is the moment that the receiver named.
    not_before = time.monotonic() + (date - now)
    asked = formatdate(date, usegmt=True) if as_date else "1"
    async with receiving(script=[(429, {"retry-after": asked}), 200]) as receiver, delivering():
        await registry.create("default", receiver.url)
        await open_alert()
        first, second = await receiver.wait_for(2)
    if not as_date:
        not_before = first.at + 1
    assert -0.1 <= second.at - not_before < 2.0


async def test_a_redirect_is_a_failure_and_not_followed(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving() as elsewhere, receiving() as receiver, delivering():
        receiver.script = [(307, {"location": elsewhere.url}), 200]
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        delivery = (await settled(webhook))[0]
    assert elsewhere.requests == []
    assert delivery.attempts == 2


async def test_a_receiver_that_is_gone_is_not_asked_again(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[410]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        delivery = (await settled(webhook, "failed"))[0]
    assert len(receiver.requests) == 1
    assert delivery.error == "HTTP 410"


async def test_a_delivery_given_up_stays_visible_as_failed(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any, policy: DeliveryPolicy
) -> None:
    async with receiving(script=[500]) as receiver, delivering(policy=replace(policy, max_tries=3)):
        webhook = await registry.create("default", receiver.url)
        alert_id = await open_alert()
        delivery = (await settled(webhook, "failed"))[0]
    assert len(receiver.requests) == 3
    assert delivery.alert_id == alert_id
    assert "HTTP 500" in delivery.error


async def test_a_failed_delivery_can_be_sent_again_under_its_old_id(
    registry: WebhookRegistry, store: DeliveryStore, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[410, 200]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        failed = (await settled(webhook, "failed"))[0]
        await disabled(registry, webhook)
        await registry.enable("default", webhook.id)
        await store.redeliver(webhook, failed.id, 4, int(time.time() * 1000))
        await settled(webhook)
    assert [request.webhook_id for request in receiver.requests] == [failed.id, failed.id]


async def test_an_alert_too_old_to_be_a_warning_expires_unsent(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving() as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert(created_ms=int(time.time() * 1000) - 7 * 3_600_000)
        await settled(webhook, "expired")
    assert receiver.requests == []


async def test_a_webhook_deleted_meanwhile_gets_nothing_more(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[(500, {"retry-after": "1"})]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        await receiver.wait_for(1)
        await registry.delete("default", webhook.id)
        delivery = (await settled(webhook, "failed"))[0]
    assert len(receiver.requests) == 1
    assert delivery.error == "the webhook was deleted"


LOOP_IN_A_PROCESS = """
import asyncio, sys
from service.alerts.delivery import DeliveryLoop
from service.alerts.policy import DeliveryPolicy, Settlement
from service.alerts.records import parse_outbox_alert
from service.redis_log.connection import build_client

policy = DeliveryPolicy(timeout_ms=800, claim_margin_ms=200)
redis = build_client(sys.argv[1])
asyncio.run(DeliveryLoop(redis, lambda: range(4), allow_private=True, policy=policy).run(asyncio.Event()))
"""


async def test_a_kill_between_sending_and_recording_leads_to_the_same_id_again(
    redis_url: str, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(delay_s=0.5) as receiver:
        webhook = await registry.create("default", receiver.url)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", LOOP_IN_A_PROCESS, redis_url, cwd=ROOT)
        await open_alert()
        await receiver.wait_for(1, 30)
        process.kill()
        await process.wait()
        receiver.delay_s = 0.0
        async with delivering():
            delivery = (await settled(webhook))[0]
    assert [request.webhook_id for request in receiver.requests] == [delivery.id, delivery.id]
    assert delivery.attempts == 2


async def test_a_kill_before_sending_loses_no_alert(
    store: DeliveryStore, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving() as receiver:
        webhook = await registry.create("default", receiver.url)
        alert_id = await open_alert()
        # As far as a loop comes that dies right after its claim.
        entry = (await store.read_outboxes([0], block_ms=100))[0]
        now_ms = int(time.time() * 1000)
        await store.fan_out([FanOutItem(entry, parse_outbox_alert(entry.alert or b""), [webhook])], now_ms)
        assert len(await store.claim(0, webhook.id, now_ms=now_ms, limit=10)) == 1
        async with delivering():
            delivery = (await settled(webhook))[0]
    assert delivery.alert_id == alert_id
    assert [request.webhook_id for request in receiver.requests] == [delivery.id]


async def test_fanning_out_twice_makes_one_delivery(
    store: DeliveryStore, registry: WebhookRegistry, receiving: Any, open_alert: Any
) -> None:
    async with receiving() as receiver:
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        entry = (await store.read_outboxes([0], block_ms=100))[0]
        alert = parse_outbox_alert(entry.alert or b"")
        made = [await store.fan_out([FanOutItem(entry, alert, [webhook])], 1_000) for _ in range(2)]
    assert made == [1, 0]


async def test_a_late_failure_does_not_undo_a_delivery(
    store: DeliveryStore, registry: WebhookRegistry, receiving: Any, open_alert: Any
) -> None:
    async with receiving() as receiver:
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        entry = (await store.read_outboxes([0], block_ms=100))[0]
        await store.fan_out([FanOutItem(entry, parse_outbox_alert(entry.alert or b""), [webhook])], 1_000)
        stale = (await store.claim(0, webhook.id, now_ms=1_000, limit=1))[0]
        fresh = (await store.claim(0, webhook.id, now_ms=60_000, limit=1))[0]
        late = await store.settle(0, stale, Settlement("failed", 0, "late"), None, 60_001)
        done = await store.settle(0, fresh, Settlement("delivered", 0, ""), None, 60_002)
    assert (late, done) == (False, True)


async def test_an_alert_reaches_its_webhook_within_half_a_second(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    delays = []
    async with receiving() as receiver, delivering():
        await registry.create("default", receiver.url)
        for number in range(20):
            began = time.monotonic()
            await open_alert(number % 4)
            delays.append((await receiver.wait_for(number + 1))[-1].at - began)
    assert max(delays) < 0.5


async def test_a_slow_receiver_slows_no_other_and_gets_few_requests_at_once(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, policy: DeliveryPolicy
) -> None:
    # Waiting for the slow one would take 40 / 4 time-outs of 5 s.
    patient = replace(policy, timeout_ms=5_000)
    async with receiving(delay_s=6.0) as slow, receiving() as quick, delivering(policy=patient):
        await registry.create("default", slow.url)
        await registry.create("default", quick.url)
        began = time.monotonic()
        for number in range(40):
            await open_alert(number % 4)
        await quick.wait_for(40)
        took_s = time.monotonic() - began
    assert took_s < 10.0
    assert slow.most_open <= policy.per_endpoint


async def test_a_receiver_that_drips_is_cut_off_in_time(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[b"HTTP/1.1 20", 200]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        delivery = (await settled(webhook))[0]
    assert delivery.attempts == 2


async def test_a_huge_answer_is_read_in_part_and_counts_by_its_status(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    huge = b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n" + b"x" * 200_000
    async with receiving(script=[huge]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        delivery = (await settled(webhook))[0]
    assert delivery.attempts == 1


async def test_only_owned_partitions_are_delivered(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as receiver, delivering() as owned:
        owned.discard(1)
        await registry.create("default", receiver.url)
        await asyncio.sleep(0.3)  # a blocking read that began before may still see partition 1
        await open_alert(1)
        await open_alert(0)
        await receiver.wait_for(1)
        await asyncio.sleep(0.1)
        assert len(receiver.requests) == 1
        owned.add(1)
        await receiver.wait_for(2)


async def test_two_loops_over_the_same_partition_send_an_alert_once(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving() as receiver, delivering(), delivering():
        webhook = await registry.create("default", receiver.url)
        for _ in range(30):
            await open_alert()
        await settled(webhook, count=30)
    assert len(receiver.requests) == len({request.webhook_id for request in receiver.requests}) == 30


async def test_what_is_in_flight_when_delivery_stops_is_handed_back_at_once(
    registry: WebhookRegistry,
    redis: RedisClient,
    receiving: Any,
    delivering: Any,
    open_alert: Any,
    policy: DeliveryPolicy,
) -> None:
    patient = replace(policy, timeout_ms=60_000)
    async with receiving(delay_s=30.0) as receiver:
        await registry.create("default", receiver.url)
        await open_alert()
        async with delivering(policy=patient, drain_s=0.05):
            await receiver.wait_for(1)
        due = await redis.zrange(due_key(0), 0, -1, withscores=True)
    assert due[0][1] <= time.time() * 1000


async def test_the_outbox_is_empty_once_its_alerts_are_fanned_out(
    redis: RedisClient, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving() as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        for _ in range(5):
            await open_alert()
        await settled(webhook, count=5)
    assert await redis.xlen(outbox_key(0)) == 0


async def test_an_unreadable_outbox_entry_is_parked_and_stops_no_other(
    redis: RedisClient, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as receiver, delivering():
        await registry.create("default", receiver.url)
        await redis.xadd(outbox_key(0), {OUTBOX_FIELD: '{"id": 7}'})
        await open_alert()
        await receiver.wait_for(1)
    parked = await redis.xrange(parked_key(0))
    assert parked[0][1][b"reason"] == b"an outbox entry needs the text 'id'"
    assert json.loads(parked[0][1][b"alert"]) == {"id": 7}


async def test_every_key_of_a_partition_is_in_its_hash_slot(
    redis: RedisClient, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving() as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert(3)
        await settled(webhook)
    keys = {key.decode() for found in await redis.ask_masters("KEYS", "*") for key in found}
    assert {key for key in keys if not key.startswith(partition_prefix(3))} == {
        "webhooks:{default}",
        f"webhooks:{{default}}:health:{webhook.id}",
    }


async def test_attempts_and_ends_are_counted(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    collected = CollectorRegistry()
    async with receiving(script=[500, 200]) as receiver, delivering(metrics=DeliveryMetrics(collected)):
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        await settled(webhook)
        await asyncio.sleep(0.05)
    text = generate_latest(collected).decode()
    assert 'forewarn_webhook_attempts_total{answer="5xx"} 1.0' in text
    assert 'forewarn_webhook_attempts_total{answer="2xx"} 1.0' in text
    assert 'forewarn_webhook_deliveries_total{state="delivered"} 1.0' in text
    assert "forewarn_webhook_alert_to_delivered_seconds_count 1.0" in text


async def test_delivery_outlives_a_redis_that_fails_for_a_while(
    redis: RedisClient, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as receiver, delivering():
        await registry.create("default", receiver.url)
        for _ in range(3):
            await redis.client_kill_filter(_type="normal", skipme=True)
            await asyncio.sleep(0.05)
        await open_alert()
        await receiver.wait_for(1)
