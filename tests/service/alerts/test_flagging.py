"""Flags of live quality on their way to webhooks."""

from __future__ import annotations

from typing import Any

import orjson

from service.alerts.flagging import FlagTelling
from service.alerts.registry import WebhookRegistry
from service.alerts.store import DeliveryStore
from service.core.quality.flagged import FlagNews
from service.core.quality.watching import Flag

FIGURES = {"group": "", "expected": 0.1, "false_alarms": {"hits": 3, "of": 9, "value": 1 / 3}}
NEWS = FlagNews("default", "m-1", "promise", Flag(1_000, 9, 5.0, ""), 0.01, FIGURES)


async def test_a_flag_reaches_each_webhook_once_however_often_it_is_told(
    store: DeliveryStore, registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    tell = FlagTelling(store, "https://forewarn.example")
    async with receiving() as receiver, delivering():
        await registry.create("default", receiver.url)
        await tell(NEWS)
        await receiver.wait_for(1)
        await tell(NEWS)
        await open_alert()
        await receiver.wait_for(2)
    flag, alert = (orjson.loads(request.body) for request in receiver.requests)
    assert (flag["type"], alert["type"]) == ("monitor.flagged", "run.alert")
    said = {
        name: flag["data"][name] for name in ("project", "monitor_id", "test", "since_ms", "runs", "figures", "link")
    }
    assert said == {
        "project": "default",
        "monitor_id": "m-1",
        "test": "promise",
        "since_ms": 1_000,
        "runs": 9,
        "figures": FIGURES,
        "link": "https://forewarn.example/v1/monitors/m-1/quality",
    }
