"""The body of a PagerDuty event (Events API v2): one that triggers, with the alert's id as its `dedup_key`.

Limits are those of PagerDuty's reference: 1,024 characters of summary, 255 of `dedup_key`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from service.alerts.formats.words import clean, facts, link_of, link_text, severity_of, title

ENDPOINT = "https://events.pagerduty.com/v2/enqueue"


def to_pagerduty(event: Mapping[str, Any], routing_key: str) -> dict[str, Any]:
    """The event for the service that the routing key names."""
    data, named = event["data"], dict(facts(event))
    about = named.get("Run") or named.get("Webhook") or named.get("Monitor") or ""
    link = link_of(event)
    body: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": _dedup_key(event),
        "client": "forewarn",
        "payload": {
            "summary": clean(f"{title(event)}: {about}" if about else title(event), 1024),
            "source": clean(f"forewarn/{data.get('project', '')}", 200),
            "severity": severity_of(event),
            "timestamp": event["timestamp"],
            "component": named.get("Agent") or "forewarn",
            "group": named.get("Project", ""),
            "class": event["type"],
            "custom_details": {**named, "alert_id": data.get("id", "")},
        },
    }
    if link:
        body["links"] = [{"href": link, "text": link_text(event)}]
    return body


def _dedup_key(event: Mapping[str, Any]) -> str:
    """The alert's id; a digest of it where it is longer than PagerDuty takes. One test replaces another."""
    name = str(event["data"].get("id") or f"{event['type']}_{event['data'].get('webhook_id', '')}")
    return name if len(name) <= 255 else f"alert_{hashlib.sha256(name.encode()).hexdigest()}"
