"""Receivers that want nothing more, or have taken nothing for long: found, disabled, and told of."""

from __future__ import annotations

import logging

from service.alerts.metrics import DeliveryMetrics
from service.alerts.policy import Attempt, DeliveryPolicy
from service.alerts.records import disabled_notice
from service.alerts.registry import WebhookRegistry
from service.alerts.store import STORE_ERRORS, DeliveryStore
from service.alerts.targets import host_of
from service.alerts.webhook import Disabled, Webhook

logger = logging.getLogger(__name__)


class Disabling:
    """Looks at every attempt's end. What fails here fails again at the next attempt: nothing depends on one."""

    def __init__(
        self, registry: WebhookRegistry, store: DeliveryStore, policy: DeliveryPolicy, metrics: DeliveryMetrics
    ) -> None:
        self._registry = registry
        self._store = store
        self._policy = policy
        self._metrics = metrics

    async def note(self, webhook: Webhook, attempt: Attempt, now_ms: int) -> None:
        """Counts an attempt, and disables the webhook if that was the last straw."""
        try:
            health = await self._registry.health.note(webhook, attempt.delivered, attempt.error, now_ms)
            if attempt.status == 410:
                await self._disable(webhook, Disabled("gone", now_ms, attempt.error), health.failures)
            elif self._policy.gives_up_on_webhook(health.failures, health.failing_since_ms, now_ms):
                await self._disable(webhook, Disabled("failing", now_ms, attempt.error), health.failures)
        except STORE_ERRORS as error:
            logger.warning("how webhook %s is doing could not be recorded: %s", webhook.id, error)

    async def _disable(self, webhook: Webhook, why: Disabled, failures: int) -> None:
        if not await self._registry.disable(webhook, why):
            return
        self._metrics.disabled.labels(why.reason).inc()
        logger.warning(
            "webhook %s of project %s is disabled after %d failures in a row (%s: %s); once the receiver is well, "
            "POST /v1/webhooks/%s/enable",
            webhook.id,
            webhook.project,
            failures,
            why.reason,
            why.error,
            webhook.id,
        )
        await self._store.post_notice(disabled_notice(webhook, why, host_of(webhook.url), failures))
