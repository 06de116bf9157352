"""Between an alert and its sending its run may end, or somebody may take note of it."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from redis.asyncio import Redis
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from service.alerts.metrics import DeliveryMetrics
from service.alerts.records import mark_stale
from service.alerts.registry import WebhookRegistry
from service.core.alerting import alert_id
from service.records import RunRef
from service.redis_log.keys import PartitionKeys, acknowledgement_field
from tests.service.alerts.conftest import disabled

REF = RunRef("default", "r")
KEYS = PartitionKeys(0)


@pytest.fixture
async def live_run(redis: Redis) -> None:
    """A run of partition 0 that goes on."""
    await redis.hset(KEYS.run(REF), "created_ms", 1)


async def acknowledge(redis: Redis, episode: int) -> None:
    await redis.hset(KEYS.run_alerts(REF), acknowledgement_field(episode), b"{}")


def episode(number: int) -> dict[str, Any]:
    return {"id": alert_id(REF, number, "m-1"), "run_id": "r", "episode": number}


def stale(request: Any) -> bool:
    return bool(orjson.loads(request.body)["data"]["stale"])


@pytest.mark.usefixtures("live_run")
async def test_a_warning_about_a_live_run_is_not_stale(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as receiver, delivering():
        await registry.create("default", receiver.url)
        await open_alert(**episode(1))
        (request,) = await receiver.wait_for(1)
    assert not stale(request)


@pytest.mark.usefixtures("live_run")
@pytest.mark.parametrize("field", ["ended_ms", "success", "expired"])
async def test_a_warning_about_a_finished_run_is_marked_under_the_signature(
    redis: Redis, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, field: str
) -> None:
    await redis.hset(KEYS.run(REF), field, 0)
    collected = CollectorRegistry()
    async with receiving() as receiver, delivering(metrics=DeliveryMetrics(collected)):
        webhook = await registry.create("default", receiver.url)
        await open_alert(**episode(1))
        (request,) = await receiver.wait_for(1)
    assert Verifier(webhook.secret).verify(request.body, request.headers)["data"]["stale"] is True
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secret).verify(request.body.replace(b"true", b"false"), request.headers)
    assert "forewarn_webhook_stale_total 1.0" in generate_latest(collected).decode()


async def test_a_warning_about_a_forgotten_run_is_stale(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as receiver, delivering():
        await registry.create("default", receiver.url)
        await open_alert(**episode(1))
        (request,) = await receiver.wait_for(1)
    assert stale(request)


@pytest.mark.usefixtures("live_run")
async def test_a_run_that_ends_between_two_attempts_changes_the_mark_alone(
    redis: Redis, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving(script=[(500, {"retry-after": "1"}), 200]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert(**episode(1))
        await receiver.wait_for(1)
        await redis.hset(KEYS.run(REF), "ended_ms", 5)
        first, second = await receiver.wait_for(2)
    assert (stale(first), stale(second)) == (False, True)
    assert first.webhook_id == second.webhook_id
    assert mark_stale(first.body) == second.body
    Verifier(webhook.secret).verify(second.body, second.headers)


@pytest.mark.usefixtures("live_run")
async def test_a_secret_of_another_webhook_does_not_verify(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as receiver, delivering():
        await registry.create("default", receiver.url)
        other = await registry.create("default", receiver.url)
        await open_alert(**episode(1))
        requests = await receiver.wait_for(2)
    verified = 0
    for request in requests:
        try:
            Verifier(other.secret).verify(request.body, request.headers)
            verified += 1
        except WebhookVerificationError:
            pass
    assert verified == 1


@pytest.mark.usefixtures("live_run")
async def test_an_acknowledged_episode_is_not_sent_again_and_the_next_one_is(
    redis: Redis, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[(500, {"retry-after": "1"}), 200]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        first = await open_alert(**episode(1))
        await receiver.wait_for(1)
        await acknowledge(redis, 1)
        (delivery,) = await settled(webhook, "acknowledged")
        second = await open_alert(**episode(2))
        await receiver.wait_for(2)
    assert (delivery.alert_id, delivery.error) == (first, "acknowledged before it could be sent")
    assert [orjson.loads(request.body)["data"]["id"] for request in receiver.requests] == [first, second]


@pytest.mark.usefixtures("live_run")
async def test_an_acknowledged_episode_that_is_asked_for_again_stays_unsent(
    redis: Redis, registry: WebhookRegistry, store: Any, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[410]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        await open_alert(**episode(1))
        await settled(webhook, "failed")
        await disabled(registry, webhook)
        await registry.enable("default", webhook.id)
        await acknowledge(redis, 1)
        assert await store.redeliver_all(webhook, "failed", 4, int(time.time() * 1000), limit=10) == 1
        await settled(webhook, "acknowledged")
    assert len(receiver.requests) == 1
