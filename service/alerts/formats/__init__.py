"""An event in the body that a webhook's receiver understands.

What may live here: one module a format, pure functions of the event. Deliveries keep the event in the native form
(Standard Webhooks: `type`, `timestamp`, `data`); it is put into another one when it is sent. Every format is signed.
"""

from __future__ import annotations

from typing import Any

import orjson

from service.alerts.formats.alertmanager import to_alertmanager
from service.alerts.formats.pagerduty import to_pagerduty
from service.alerts.formats.slack import to_slack
from service.alerts.webhook import Webhook

__all__ = ["render"]


def render(webhook: Webhook, event: bytes) -> bytes:
    """The body to send. The same event, the same bytes, while the webhook stays as it is."""
    if webhook.format == "native":
        return event
    parsed: dict[str, Any] = orjson.loads(event)
    if webhook.format == "slack":
        return orjson.dumps(to_slack(parsed))
    if webhook.format == "alertmanager":
        return orjson.dumps(to_alertmanager(parsed))
    return orjson.dumps(to_pagerduty(parsed, webhook.routing_key))
