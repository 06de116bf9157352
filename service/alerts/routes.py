"""HTTP routes over webhooks and their deliveries."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Depends, Query, Response
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
    Rotation,
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
    """What the routes need. `grace_ms`: how long a rotated secret signs on where a request does not say."""

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


def build_router(deps: WebhookDeps, principal: Callable[..., Any]) -> APIRouter:
    """The routes under `/v1/webhooks`. `principal` is a FastAPI dependency that says who asks."""
    router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
    _add_registry_routes(router, deps, Depends(principal))
    _add_delivery_routes(router, deps, Depends(principal))
    return router


def _add_registry_routes(router: APIRouter, deps: WebhookDeps, caller: Any) -> None:
    registry = deps.registry

    async def view(webhook: Webhook) -> WebhookView:
        (health,) = await registry.health.of([webhook])
        return to_view(webhook, health, deps.now_ms)

    def with_secret(webhook: Webhook, shown: WebhookView) -> CreatedWebhook:
        return CreatedWebhook(**shown.model_dump(), secret=webhook.secret)

    @router.post("", status_code=201)
    async def create_webhook(body: NewWebhook, who: Principal = caller) -> CreatedWebhook:
        """Registers a target for the project's alerts; the answer holds the signing secret, this once."""
        webhook = await registry.create(who.project, **_fields(deps, who, body, set(NewWebhook.model_fields)))
        await deps.note(who, "webhook.create", webhook.id, host=host_of(webhook.url), format=webhook.format)
        return with_secret(webhook, to_view(webhook, Health(), deps.now_ms))

    @router.get("")
    async def list_webhooks(who: Principal = caller) -> WebhookList:
        """Lists the project's webhooks, without secrets."""
        webhooks = await registry.of_project(who.project)
        health, now_ms = await registry.health.of(webhooks), deps.now_ms
        return WebhookList(
            webhooks=[to_view(webhook, one, now_ms) for webhook, one in zip(webhooks, health, strict=True)]
        )

    @router.get("/{webhook_id}")
    async def get_webhook(webhook_id: str, who: Principal = caller) -> WebhookView:
        """Shows a webhook, without its secrets."""
        return await view(await registry.get(who.project, webhook_id))

    @router.patch("/{webhook_id}")
    async def change_webhook(webhook_id: str, body: WebhookChange, who: Principal = caller) -> WebhookView:
        """Replaces those fields of a webhook that the body names. What its quiet hours held back is judged anew."""
        webhook = await registry.change(who.project, webhook_id, _fields(deps, who, body, body.model_fields_set))
        await deps.note(who, "webhook.change", webhook.id, fields=sorted(body.model_fields_set))
        if "quiet_hours" in body.model_fields_set:
            await deps.store.hurry(webhook.id, deps.partitions, deps.now_ms)
        return await view(webhook)

    @router.delete("/{webhook_id}", status_code=204)
    async def delete_webhook(webhook_id: str, who: Principal = caller) -> Response:
        """Forgets a webhook: nothing more is sent to it, and what is pending for it fails."""
        webhook = await registry.delete(who.project, webhook_id)
        await deps.note(who, "webhook.delete", webhook.id, host=host_of(webhook.url))
        return Response(status_code=204)

    @router.post("/{webhook_id}/rotate-secret")
    async def rotate_secret(webhook_id: str, body: Rotation | None = None, who: Principal = caller) -> CreatedWebhook:
        """Gives a webhook a new signing secret, shown this once. The old one signs too for a time of grace: receivers
        see both signatures and may verify either. Of secrets rotated before, one more signs on at most."""
        hours = None if body is None else body.grace_hours
        grace_ms = deps.grace_ms if hours is None else int(hours * HOUR_MS)
        webhook = await registry.rotate(who.project, webhook_id, grace_ms)
        await deps.note(who, "webhook.rotate", webhook.id, grace_ms=grace_ms)
        return with_secret(webhook, await view(webhook))

    @router.post("/{webhook_id}/enable")
    async def enable_webhook(webhook_id: str, who: Principal = caller) -> WebhookView:
        """Sends to a disabled webhook again, and forgets its failures. What failed meanwhile: `POST …/redeliver`."""
        webhook = await registry.enable(who.project, webhook_id)
        await deps.note(who, "webhook.enable", webhook.id)
        return await view(webhook)


def _add_delivery_routes(router: APIRouter, deps: WebhookDeps, caller: Any) -> None:
    registry, store = deps.registry, deps.store
    state_query = Query(None, description="Only deliveries in this state.")
    limit_query = Query(50, ge=1, le=500)
    dead_query = Query("failed", description="Which deliveries: failed or expired ones.")
    many_query = Query(500, ge=1, le=500, description="So many at most, the newest first.")

    async def get_enabled(project: str, webhook_id: str) -> Webhook:
        webhook = await registry.get(project, webhook_id)
        if webhook.disabled is not None:
            raise WebhookDisabled(webhook_id)
        return webhook

    @router.post("/{webhook_id}/test")
    async def test_webhook(webhook_id: str, who: Principal = caller) -> TestResult:
        """Sends one signed event of type `webhook.test` at once, in the webhook's format, without retries, and says
        what came back. It tries a disabled webhook too."""
        webhook = await registry.get(who.project, webhook_id)
        body = event_body("webhook.test", deps.now_ms, {"webhook_id": webhook.id, "project": who.project})
        attempt = await deps.sender.send(webhook, f"msg_test_{secrets.token_hex(12)}", formats.render(webhook, body))
        return TestResult(
            delivered=attempt.delivered,
            status=attempt.status,
            error=attempt.error,
            latency_ms=round(attempt.latency_ms, 3),
        )

    @router.get("/{webhook_id}/deliveries")
    async def list_deliveries(
        webhook_id: str,
        state: DeliveryState | None = state_query,
        limit: int = limit_query,
        who: Principal = caller,
    ) -> DeliveryList:
        """Lists a webhook's deliveries, newest first. Delivered ones stay visible for a day, others for 30."""
        webhook = await registry.get(who.project, webhook_id)
        found = await store.deliveries_of(webhook.id, deps.partitions, state=state, limit=limit)
        return DeliveryList(deliveries=[to_delivery_view(delivery) for delivery in found])

    @router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
    async def redeliver(webhook_id: str, delivery_id: str, who: Principal = caller) -> Redelivery:
        """Sends a delivery again, whatever its state, under its old `webhook-id`; not if its alert is acknowledged."""
        webhook = await get_enabled(who.project, webhook_id)
        await store.redeliver(webhook, delivery_id, deps.partitions, deps.now_ms)
        await deps.note(who, "webhook.redeliver", webhook.id, delivery=delivery_id)
        return Redelivery(id=delivery_id)

    @router.post("/{webhook_id}/redeliver", status_code=202)
    async def redeliver_all(
        webhook_id: str,
        state: DeadState = dead_query,
        limit: int = many_query,
        who: Principal = caller,
    ) -> Redeliveries:
        """Sends all deliveries of a webhook that failed (or expired) again, under their old ids and with a fresh time
        to live. What was acknowledged meanwhile is not sent.
        """
        webhook = await get_enabled(who.project, webhook_id)
        made = await store.redeliver_all(webhook, state, deps.partitions, deps.now_ms, limit=limit)
        await deps.note(who, "webhook.redeliver", webhook.id, state=state, redelivered=made)
        return Redeliveries(redelivered=made, more=made == limit)


def _fields(deps: WebhookDeps, who: Principal, body: NewWebhook | WebhookChange, named: set[str]) -> dict[str, Any]:
    fields = {name: getattr(body, name) for name in named}
    if fields.get("description"):
        fields["description"] = deps.redactor.text(who.project, fields["description"])
    if "routing_key" in fields:
        key = fields["routing_key"]
        fields["routing_key"] = key.get_secret_value() if isinstance(key, SecretStr) else ""
    return fields
