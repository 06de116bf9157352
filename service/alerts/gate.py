"""Whether a delivery that is due may be sent at this moment, and if not, what becomes of it."""

from __future__ import annotations

import orjson

from service.alerts.policy import Settlement
from service.alerts.records import Delivery
from service.alerts.store import AlertNow
from service.alerts.webhook import RANKS, Webhook, severity_rank


def stopped(webhook: Webhook | None, delivery: Delivery, now: AlertNow, now_ms: int) -> Settlement | None:
    """What becomes of a delivery that is not to be sent now; None for one that is."""
    if webhook is None:
        return Settlement("failed", 0, "the webhook was deleted")
    if webhook.disabled is not None:
        return Settlement("failed", 0, f"the webhook is disabled ({webhook.disabled.reason}): not sent")
    if now_ms >= delivery.expires_ms:
        return Settlement("expired", 0, delivery.error or "too old to be sent")
    if now.acknowledged:
        return Settlement("acknowledged", 0, "acknowledged before it could be sent")
    quiet_until_ms = _quiet_until(webhook, delivery, now_ms)
    if quiet_until_ms is not None:
        return Settlement("pending", quiet_until_ms, "held back by quiet hours", held=True)
    if delivery.held and now.episode_over:
        return Settlement("lapsed", 0, "the run was over or out of the episode when quiet hours ended")
    return None


def _quiet_until(webhook: Webhook, delivery: Delivery, now_ms: int) -> int | None:
    if webhook.quiet_hours is None:
        return None
    until_ms = webhook.quiet_hours.end_ms(now_ms)
    if until_ms is None or severity_rank(orjson.loads(delivery.body)["data"]) >= RANKS["critical"]:
        return None
    return until_ms
