"""A webhook gets the events that its filters admit, and no others."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from service.alerts.fanout import addressees
from service.alerts.records import parse_outbox_alert
from service.alerts.registry import WebhookRegistry
from service.alerts.webhook import Disabled, Filters, Webhook, new_secret

ALERT: dict[str, Any] = {"monitor_id": "m-1", "agent": "desk", "severity": "warning"}


@pytest.mark.parametrize(
    ("filters", "admitted"),
    [
        ({}, True),
        ({"monitors": ["m-1", "m-2"]}, True),
        ({"monitors": ["m-2"]}, False),
        ({"agents": ["desk"]}, True),
        ({"agents": ["sales"]}, False),
        ({"severity": "info"}, True),
        ({"severity": "warning"}, True),
        ({"severity": "critical"}, False),
        ({"monitors": ["m-1"], "agents": ["sales"]}, False),
        ({"events": ["webhook.disabled"]}, False),
    ],
    ids=str,
)
def test_an_alert_must_pass_every_filter(filters: Any, admitted: bool) -> None:
    assert Filters.model_validate(filters).admit("run.alert", ALERT) is admitted


def test_filters_of_alerts_leave_notices_alone() -> None:
    assert Filters(monitors=("m-2",), severity="critical").admit("webhook.disabled", {"severity": "warning"})


@pytest.mark.parametrize(
    ("filters", "admitted"),
    [
        ({}, True),
        ({"monitors": ["m-2"]}, False),
        ({"agents": ["sales"]}, True),
        ({"severity": "critical"}, False),
        ({"events": ["run.alert"]}, False),
        ({"events": ["monitor.flagged"]}, True),
    ],
    ids=str,
)
def test_a_flag_must_pass_what_speaks_of_monitors_and_severity(filters: Any, admitted: bool) -> None:
    flag = {"monitor_id": "m-1", "severity": "warning"}
    assert Filters.model_validate(filters).admit("monitor.flagged", flag) is admitted


def test_an_alert_of_unknown_severity_is_not_left_out() -> None:
    assert Filters(severity="critical").admit("run.alert", {**ALERT, "severity": None})


def test_a_notice_goes_neither_to_whom_it_concerns_nor_to_other_disabled_ones() -> None:
    def webhook(name: str, disabled: Disabled | None = None) -> Webhook:
        return Webhook(name, "p", "https://a.example/", "", new_secret(), 0, disabled=disabled)

    gone = Disabled("gone", 1, "HTTP 410")
    raw = {"id": "notice_1", "type": "webhook.disabled", "project": "p", "webhook_id": "wh_1", "created_ms": 1}
    notice = parse_outbox_alert(orjson.dumps(raw))
    hooks = [webhook("wh_1"), webhook("wh_2", gone), webhook("wh_3")]
    assert [one.id for one in addressees(notice, hooks)] == ["wh_3"]


async def test_what_is_filtered_out_is_not_sent(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as picky, receiving() as other, delivering():
        await registry.create("default", picky.url, filters=Filters(severity="critical"))
        await registry.create("default", other.url)
        for severity in ("info", "critical", "warning"):
            await open_alert(severity=severity)
        await other.wait_for(3)
        await picky.wait_for(1)
        await asyncio.sleep(0.1)
    assert [orjson.loads(request.body)["data"]["severity"] for request in picky.requests] == ["critical"]
