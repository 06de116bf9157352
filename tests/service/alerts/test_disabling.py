"""A receiver that is gone, or takes nothing for long, is sent nothing more: visibly, and not for ever."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.alerts.disabling import Disabling
from service.alerts.metrics import DeliveryMetrics
from service.alerts.policy import DAY_MS, Attempt, DeliveryPolicy
from service.alerts.registry import WebhookRegistry
from service.alerts.store import DeliveryStore
from tests.service.alerts.conftest import disabled

REFUSED = Attempt(500, "HTTP 500", 1.0)
TAKEN = Attempt(204, "", 1.0)


async def test_a_receiver_that_is_gone_disables_its_webhook_at_once(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    collected = CollectorRegistry()
    async with receiving(script=[410]) as receiver, delivering(metrics=DeliveryMetrics(collected)):
        webhook = await registry.create("default", receiver.url)
        await open_alert()
        now = await disabled(registry, webhook)
        await open_alert()
        (late, _) = await settled(webhook, "failed", 2)
        await asyncio.sleep(0.1)
    assert now.disabled is not None
    assert (now.disabled.reason, now.disabled.error) == ("gone", "HTTP 410")
    assert late.error == "the webhook is disabled (gone): not sent"
    assert len(receiver.requests) == 1
    assert 'forewarn_webhook_disabled_total{reason="gone"} 1.0' in generate_latest(collected).decode()


async def test_the_projects_other_webhooks_are_told_and_the_disabled_ones_are_not(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving(script=[410]) as gone, receiving() as other, receiving() as foreign, delivering():
        webhook = await registry.create("default", gone.url, "on call")
        await registry.create("default", other.url)
        await registry.create("another", foreign.url)
        await open_alert()
        bodies = [orjson.loads(request.body) for request in await other.wait_for(2)]
        await asyncio.sleep(0.1)
    (notice,) = [body for body in bodies if body["type"] == "webhook.disabled"]
    data = notice["data"]
    assert (data["webhook_id"], data["reason"], data["host"]) == (webhook.id, "gone", "127.0.0.1")
    assert "hook?x=1" not in orjson.dumps(notice).decode()  # the path of a target may be a secret
    assert (len(gone.requests), foreign.requests) == (1, [])


async def test_what_failed_meanwhile_is_sent_once_the_webhook_is_enabled_and_asked_to(
    registry: WebhookRegistry, store: DeliveryStore, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    async with receiving(script=[410, 204]) as receiver, delivering():
        webhook = await registry.create("default", receiver.url)
        alerts = [await open_alert()]
        await disabled(registry, webhook)
        alerts.append(await open_alert(1))
        await settled(webhook, "failed", 2)
        await registry.enable("default", webhook.id)
        await store.redeliver_all(webhook, "failed", 4, int(time.time() * 1000), limit=10)
        await settled(webhook, count=2)
    assert {orjson.loads(request.body)["data"]["id"] for request in receiver.requests} == set(alerts)


@pytest.fixture
async def judged(registry: WebhookRegistry, store: DeliveryStore) -> Any:
    """Notes attempts of a fresh webhook: (attempt, day) pairs in turn; gives the webhook afterwards."""

    async def judge(*attempts: tuple[Attempt, float], **policy: Any) -> Any:
        webhook = await registry.create("default", "http://127.0.0.1:9/")
        metrics = DeliveryMetrics(CollectorRegistry())
        disabling = Disabling(registry, store, replace(DeliveryPolicy(disable_failures=3), **policy), metrics)
        for attempt, day in attempts:
            await disabling.note(webhook, attempt, int((1000 + day) * DAY_MS))
        return await registry.get("default", webhook.id)

    return judge


async def test_long_and_frequent_failure_disables(judged: Any) -> None:
    now = await judged((REFUSED, 0), (REFUSED, 2), (REFUSED, 5))
    assert (now.disabled.reason, now.disabled.since_ms) == ("failing", 1005 * DAY_MS)


async def test_a_short_row_of_failures_does_not_disable(judged: Any) -> None:
    assert (await judged(*[(REFUSED, 0.01 * number) for number in range(50)])).disabled is None


async def test_few_failures_do_not_disable_however_far_apart(judged: Any) -> None:
    assert (await judged((REFUSED, 0), (REFUSED, 9))).disabled is None


async def test_one_success_starts_the_count_anew(judged: Any) -> None:
    assert (await judged((REFUSED, 0), (REFUSED, 4), (TAKEN, 4.5), (REFUSED, 5), (REFUSED, 6))).disabled is None


async def test_disabling_after_long_failure_may_be_switched_off(judged: Any) -> None:
    assert (await judged(*[(REFUSED, day) for day in range(40)], disable_after_ms=0)).disabled is None


async def test_a_deleted_webhook_leaves_no_health_behind(registry: WebhookRegistry) -> None:
    webhook = await registry.create("default", "http://127.0.0.1:9/")
    await registry.health.note(webhook, False, "HTTP 500", 1)
    await registry.delete("default", webhook.id)
    late = await registry.health.note(webhook, False, "HTTP 500", 2)
    assert (late.failures, (await registry.health.of([webhook]))[0].failures) == (0, 0)


async def test_a_410_to_what_was_sent_before_the_webhook_was_enabled_again_does_not_disable_it(
    registry: WebhookRegistry, store: DeliveryStore
) -> None:
    before = await registry.create("default", "http://127.0.0.1:9/")
    disabling = Disabling(registry, store, DeliveryPolicy(), DeliveryMetrics(CollectorRegistry()))
    gone = Attempt(410, "HTTP 410", 1.0)
    await disabling.note(before, gone, 1000)
    enabled = await registry.enable("default", before.id)
    await disabling.note(before, gone, 1000)
    assert (await registry.get("default", before.id)).disabled is None
    await disabling.note(enabled, gone, 2000)
    assert (await registry.get("default", before.id)).disabled is not None
