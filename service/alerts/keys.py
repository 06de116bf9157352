"""Redis keys of alert delivery, version 1.

Every key of a partition starts with its hash tag `{pNN}:`, so that one script may touch any of them on Redis
Cluster. The registry of webhooks belongs to a project, not to a partition, and has its own tag.

| key | type | holds |
|---|---|---|
| `{pNN}:outbox` | stream | alerts not yet fanned out (field `alert`), and wake-up calls (field `wake`) |
| `{pNN}:outbox:parked` | stream | outbox entries that could not be read, with the reason |
| `{pNN}:delivery:<id>` | hash | one delivery: an alert for one webhook (`records.Delivery`) |
| `{pNN}:due:<webhook>` | zset | pending deliveries of a webhook → when to try next, ms |
| `{pNN}:due` | zset | webhooks with pending deliveries → the earliest of their times, ms |
| `{pNN}:deliveries:<webhook>` | zset | all known deliveries of a webhook → when created, ms |
| `webhooks:{<project>}` | hash | webhook id → `webhook.Webhook` as JSON |
| `webhooks:{<project>}:health:<webhook>` | hash | failures, since_ms, error since the last_success_ms |
"""

from __future__ import annotations

OUTBOX_FIELD = "alert"
WAKE_FIELD = "wake"


def partition_prefix(partition: int) -> str:
    """The hash tag and separator that every key of the partition starts with."""
    return f"{{p{partition:02d}}}:"


def outbox_key(partition: int) -> str:
    """The stream that the worker's commit script appends alerts to."""
    return partition_prefix(partition) + "outbox"


def parked_key(partition: int) -> str:
    """The stream of outbox entries that could not be read."""
    return partition_prefix(partition) + "outbox:parked"


def delivery_key(partition: int, delivery_id: str) -> str:
    """The hash of one delivery."""
    return f"{partition_prefix(partition)}delivery:{delivery_id}"


def due_key(partition: int) -> str:
    """The index of webhooks with pending deliveries."""
    return partition_prefix(partition) + "due"


def webhook_due_key(partition: int, webhook_id: str) -> str:
    """The pending deliveries of one webhook in the partition."""
    return f"{partition_prefix(partition)}due:{webhook_id}"


def webhook_deliveries_key(partition: int, webhook_id: str) -> str:
    """All known deliveries of one webhook in the partition."""
    return f"{partition_prefix(partition)}deliveries:{webhook_id}"


def webhooks_key(project: str) -> str:
    """The registry of a project's webhooks."""
    return f"webhooks:{{{project}}}"


def health_key(project: str, webhook_id: str) -> str:
    """How a webhook's receiver has been doing."""
    return f"{webhooks_key(project)}:health:{webhook_id}"
