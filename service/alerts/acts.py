"""What can be done with webhooks and their deliveries, whoever asks: a route of the API or a page."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from service.alerts import formats
from service.alerts.errors import WebhookDisabled
from service.alerts.health import Health
from service.alerts.policy import DeliveryState
from service.alerts.records import event_body
from service.alerts.registry import WebhookRegistry
from service.alerts.sending import Sender
from service.alerts.store import DeliveryStore
from service.alerts.targets import host_of
from service.alerts.views import (
    CreatedWebhook,
    DeliveryList,
    NewWebhook,
    Redeliveries,
    Redelivery,
    TestResult,
    WebhookChange,
    WebhookList,
    WebhookView,
    to_delivery_view,
    to_view,
)
from service.alerts.webhook import Webhook
from service.core.privacy.redaction import Redactor
from service.core.tenants.access import Principal
from service.core.tenants.audit import AuditLog
from service.errors import TransientError

logger = logging.getLogger(__name__)

DeadState = Literal["failed", "expired"]
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class WebhookDeps:
    """What the acts need. `grace_ms`: how long a rotated secret signs on where a request does not say."""

    registry: WebhookRegistry
    store: DeliveryStore
    sender: Sender
    partitions: int
    audit: AuditLog
    redactor: Redactor
    grace_ms: int = 24 * HOUR_MS
    clock: Callable[[], float] = time.time

    @property
    def now_ms(self) -> int:
        """The time, in milliseconds."""
        return int(self.clock() * 1000)

    async def note(self, who: Principal, act: str, webhook_id: str, **detail: Any) -> None:
        """Has an act written down. Where that fails the act stands, and its answer may hold a secret that is shown but
        once: the service's own log has the line."""
        try:
            await self.audit.note(who, act, webhook_id, detail)
        except TransientError as error:
            logger.warning("the audit log could not be written: %s", error)


class WebhookActs:
    """The acts on the webhooks of whoever asks. All raise NotFound for a webhook of another project, or none, and
    TransientError."""

    def __init__(self, deps: WebhookDeps) -> None:
        self._deps = deps
        self._registry = deps.registry
        self._store = deps.store

    async def create(self, who: Principal, body: NewWebhook) -> CreatedWebhook:
        """Register a target; the answer holds the signing secret, this once. Raises TargetRefused, TooManyWebhooks,
        FormatIncomplete."""
        fields = _fields(self._deps, who, body, set(NewWebhook.model_fields))
        webhook = await self._registry.create(who.project, **fields)
        await self._note(who, "webhook.create", webhook.id, host=host_of(webhook.url), format=webhook.format)
        return _with_secret(webhook, to_view(webhook, Health(), self._deps.now_ms))

    async def list(self, who: Principal) -> WebhookList:
        """The project's webhooks."""
        webhooks = await self._registry.of_project(who.project)
        health, now_ms = await self._registry.health.of(webhooks), self._deps.now_ms
        return WebhookList(
            webhooks=[to_view(webhook, one, now_ms) for webhook, one in zip(webhooks, health, strict=True)]
        )

    async def get(self, who: Principal, webhook_id: str) -> WebhookView:
        """One webhook."""
        return await self._view(await self._registry.get(who.project, webhook_id))

    async def change(self, who: Principal, webhook_id: str, body: WebhookChange) -> WebhookView:
        """Replace those fields that the body names. What quiet hours held back is judged anew."""
        deps = self._deps
        webhook = await self._registry.change(who.project, webhook_id, _fields(deps, who, body, body.model_fields_set))
        await self._note(who, "webhook.change", webhook.id, fields=sorted(body.model_fields_set))
        if "quiet_hours" in body.model_fields_set:
            await self._store.hurry(webhook.id, deps.partitions, deps.now_ms)
        return await self._view(webhook)

    async def delete(self, who: Principal, webhook_id: str) -> None:
        """Forget a webhook: what is pending for it fails."""
        webhook = await self._registry.delete(who.project, webhook_id)
        await self._note(who, "webhook.delete", webhook.id, host=host_of(webhook.url))

    async def rotate(self, who: Principal, webhook_id: str, grace_hours: float | None) -> CreatedWebhook:
        """Give a webhook a new signing secret, shown this once; the old one signs too for so long (None: as the service
        is set)."""
        grace_ms = self._deps.grace_ms if grace_hours is None else int(grace_hours * HOUR_MS)
        webhook = await self._registry.rotate(who.project, webhook_id, grace_ms)
        await self._note(who, "webhook.rotate", webhook.id, grace_ms=grace_ms)
        return _with_secret(webhook, await self._view(webhook))

    async def enable(self, who: Principal, webhook_id: str) -> WebhookView:
        """Send to a disabled webhook again, and forget its failures."""
        webhook = await self._registry.enable(who.project, webhook_id)
        await self._note(who, "webhook.enable", webhook.id)
        return await self._view(webhook)

    async def test(self, who: Principal, webhook_id: str) -> TestResult:
        """Send one signed `webhook.test` event at once, and say what came back."""
        webhook = await self._registry.get(who.project, webhook_id)
        body = event_body("webhook.test", self._deps.now_ms, {"webhook_id": webhook.id, "project": who.project})
        message_id = f"msg_test_{secrets.token_hex(12)}"
        attempt = await self._deps.sender.send(webhook, message_id, formats.render(webhook, body))
        return TestResult(
            delivered=attempt.delivered,
            status=attempt.status,
            error=attempt.error,
            latency_ms=round(attempt.latency_ms, 3),
        )

    async def deliveries(
        self, who: Principal, webhook_id: str, state: DeliveryState | None, limit: int
    ) -> DeliveryList:
        """A webhook's deliveries, newest first."""
        webhook = await self._registry.get(who.project, webhook_id)
        found = await self._store.deliveries_of(webhook.id, self._deps.partitions, state=state, limit=limit)
        return DeliveryList(deliveries=[to_delivery_view(delivery) for delivery in found])

    async def redeliver(self, who: Principal, webhook_id: str, delivery_id: str) -> Redelivery:
        """Send a delivery again under its old id. Raises WebhookDisabled."""
        webhook = await self._enabled(who.project, webhook_id)
        await self._store.redeliver(webhook, delivery_id, self._deps.partitions, self._deps.now_ms)
        await self._note(who, "webhook.redeliver", webhook.id, delivery=delivery_id)
        return Redelivery(id=delivery_id)

    async def redeliver_all(self, who: Principal, webhook_id: str, state: DeadState, limit: int) -> Redeliveries:
        """Send all that failed (or expired) again, so many at most. Raises WebhookDisabled."""
        webhook = await self._enabled(who.project, webhook_id)
        made = await self._store.redeliver_all(webhook, state, self._deps.partitions, self._deps.now_ms, limit=limit)
        await self._note(who, "webhook.redeliver", webhook.id, state=state, redelivered=made)
        return Redeliveries(redelivered=made, more=made == limit)

    async def _view(self, webhook: Webhook) -> WebhookView:
        (health,) = await self._registry.health.of([webhook])
        return to_view(webhook, health, self._deps.now_ms)

    async def _enabled(self, project: str, webhook_id: str) -> Webhook:
        webhook = await self._registry.get(project, webhook_id)
        if webhook.disabled is not None:
            raise WebhookDisabled(webhook_id)
        return webhook

    async def _note(self, who: Principal, act: str, webhook_id: str, **detail: Any) -> None:
        await self._deps.note(who, act, webhook_id, **detail)


def _with_secret(webhook: Webhook, shown: WebhookView) -> CreatedWebhook:
    return CreatedWebhook(**shown.model_dump(), secret=webhook.secret)


def _fields(deps: WebhookDeps, who: Principal, body: NewWebhook | WebhookChange, named: set[str]) -> dict[str, Any]:
    fields = {name: getattr(body, name) for name in named}
    if fields.get("description"):
        fields["description"] = deps.redactor.text(who.project, fields["description"])
    if "routing_key" in fields:
        key = fields["routing_key"]
        fields["routing_key"] = key.get_secret_value() if isinstance(key, SecretStr) else ""
    return fields
