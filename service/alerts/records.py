"""The records of alert delivery: an alert as the outbox carries it, and a delivery of it to one webhook."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from service.alerts.policy import DeliveryState
from service.alerts.webhook import Disabled, Webhook

RUN_ALERT = "run.alert"


@dataclass(frozen=True, slots=True)
class OutboxAlert:
    """What the outbox carries: an opened alert episode, as the worker's commit script put it there, or a notice of
    this package, which has no run."""

    alert_id: str
    project: str
    run_id: str
    created_ms: int
    event_type: str
    data: dict[str, Any]

    def body(self) -> bytes:
        """The webhook's body by Standard Webhooks: `type`, `timestamp` (ISO 8601, of the alert) and `data`. Same
        alert, same bytes, while its run goes on; `mark_stale` says what is sent later."""
        data = {name: value for name, value in self.data.items() if name != "type"}
        if self.run_id:
            data["stale"] = False
        return event_body(self.event_type, self.created_ms, data)


def parse_outbox_alert(raw: bytes) -> OutboxAlert:
    """The alert in an outbox entry's field. Raises `ValueError` that names what is missing or wrong."""
    data = orjson.loads(raw)
    if not isinstance(data, dict):
        raise ValueError("an outbox entry must be a JSON object")
    event_type = str(data.get("type", RUN_ALERT))
    for name in ("id", "project", *(("run_id",) if event_type == RUN_ALERT else ())):
        if not isinstance(data.get(name), str) or not data[name]:
            raise ValueError(f"an outbox entry needs the text {name!r}")
    created_ms = data.get("created_ms")
    if not isinstance(created_ms, int) or isinstance(created_ms, bool) or not 0 <= created_ms < 2**53:
        raise ValueError("an outbox entry needs 'created_ms', milliseconds since 1970")
    return OutboxAlert(
        alert_id=data["id"],
        project=data["project"],
        run_id=data.get("run_id", ""),
        created_ms=created_ms,
        event_type=event_type,
        data=data,
    )


def event_body(event_type: str, at_ms: int, data: Mapping[str, Any]) -> bytes:
    """A Standard Webhooks payload as JSON bytes."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps({"type": event_type, "timestamp": at, "data": data})


def mark_stale(body: bytes) -> bytes:
    """The body of a warning that comes too late: its run is over. Same body, same bytes.

    The mark is in the body, because that is what the signature covers and what receivers keep; a header could be
    changed on the way. Every attempt is signed anew anyway (Standard Webhooks signs the attempt's own time), so a body
    that differs between two attempts is no less sure: receivers tell repeats by `webhook-id`, which stays.
    """
    event = orjson.loads(body)
    event["data"]["stale"] = True
    return orjson.dumps(event)


def disabled_notice(webhook: Webhook, why: Disabled, host: str, failures: int) -> bytes:
    """The outbox entry that tells a project's other webhooks that one was disabled. The target is named by its host
    alone: in some services the path is what lets one in. The same webhook, disabled the same moment: the same id."""
    digest = hashlib.sha256(f"{webhook.id}\x00{why.since_ms}".encode()).hexdigest()[:20]
    notice = {
        "id": f"notice_{digest}",
        "type": "webhook.disabled",
        "project": webhook.project,
        "severity": "warning",
        "webhook_id": webhook.id,
        "description": webhook.description,
        "host": host,
        "reason": why.reason,
        "error": why.error,
        "failures": failures,
        "created_ms": why.since_ms,
    }
    return orjson.dumps(notice)


def delivery_id(partition: int, alert_id: str, webhook_id: str) -> str:
    """The `webhook-id` of an alert for a webhook: the same on every try, and unlike any other. It names its
    partition."""
    digest = hashlib.sha256(f"{alert_id}\x00{webhook_id}".encode()).hexdigest()[:24]
    return f"msg_{partition:02d}_{digest}"


def partition_of_delivery(raw_id: str) -> int | None:
    """The partition that a delivery's id names, or None if it is no such id."""
    parts = raw_id.split("_")
    if len(parts) != 3 or parts[0] != "msg" or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) <= 4):
        return None
    return int(parts[1])


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert for one webhook. `attempts` counts all claims, of which `holds` were held back unsent; `tries` counts
    the sends since it was last queued."""

    id: str
    webhook_id: str
    alert_id: str
    project: str
    run_id: str
    body: bytes
    state: DeliveryState
    attempts: int
    tries: int
    alert_ms: int
    created_ms: int
    next_ms: int
    expires_ms: int
    settled_ms: int
    status: int | None
    error: str
    latency_ms: float | None
    holds: int = 0
    held: bool = False
    """Quiet hours have held it back since it was last queued."""

    @property
    def sends(self) -> int:
        """How often it was sent, or begun to be."""
        return self.attempts - self.holds

    @classmethod
    def from_fields(cls, fields: Mapping[bytes, bytes]) -> Delivery:
        """A delivery from its Redis hash."""

        def text(name: bytes) -> str:
            return fields.get(name, b"").decode("utf-8", "replace")

        return cls(
            id=text(b"id"),
            webhook_id=text(b"webhook_id"),
            alert_id=text(b"alert_id"),
            project=text(b"project"),
            run_id=text(b"run_id"),
            body=fields.get(b"body", b""),
            state=cast("DeliveryState", text(b"state") or "pending"),
            attempts=int(fields.get(b"attempts", b"0")),
            tries=int(fields.get(b"tries", b"0")),
            alert_ms=int(fields.get(b"alert_ms", b"0")),
            created_ms=int(fields.get(b"created_ms", b"0")),
            next_ms=int(fields.get(b"next_ms", b"0")),
            expires_ms=int(fields.get(b"expires_ms", b"0")),
            settled_ms=int(fields.get(b"settled_ms", b"0")),
            status=int(fields[b"status"]) if fields.get(b"status") else None,
            error=text(b"error"),
            latency_ms=float(fields[b"latency_ms"]) if fields.get(b"latency_ms") else None,
            holds=int(fields.get(b"holds", b"0")),
            held=fields.get(b"held") == b"1",
        )
