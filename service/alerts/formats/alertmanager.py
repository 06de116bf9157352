"""The body that Alertmanager posts to the receivers of its `webhook_config`, version "4".

For receivers that know that body. It always says `firing`: forewarn sends nothing when an episode is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from service.alerts.formats.words import clean, facts, link_of, severity_of, title

NAMES = {
    "run.alert": "ForewarnRunLikelyToFail",
    "webhook.test": "ForewarnTest",
    "webhook.disabled": "ForewarnWebhookDisabled",
    "monitor.flagged": "ForewarnMonitorFlagged",
}
NO_END = "0001-01-01T00:00:00Z"
"""What Alertmanager writes as the end of an alert that has none."""


def to_alertmanager(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as a group of one alert."""
    data = event["data"]
    named = {
        "alertname": NAMES.get(event["type"], "Forewarn"),
        "severity": severity_of(event),
        "project": data.get("project"),
        "run_id": data.get("run_id"),
        "episode": data.get("episode"),
        "agent": data.get("agent"),
        "monitor": data.get("monitor_id"),
        "webhook": data.get("webhook_id"),
        "test": data.get("test"),
    }
    labels = {name: text for name, value in named.items() if value is not None and (text := clean(value, 200))}
    annotations = {
        "summary": title(event),
        "description": "; ".join(f"{name}: {value}" for name, value in facts(event)),
    }
    groups = {name: labels[name] for name in ("alertname", "project") if name in labels}
    link = link_of(event)
    fingerprint = hashlib.sha256(orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return {
        "version": "4",
        "groupKey": "{}:{" + ", ".join(f"{name}={_quoted(value)}" for name, value in groups.items()) + "}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "forewarn",
        "groupLabels": groups,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": link.partition("/v1/")[0],
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": event["timestamp"],
                "endsAt": NO_END,
                "generatorURL": link,
                "fingerprint": fingerprint,
            }
        ],
    }


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
