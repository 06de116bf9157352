"""HTTP routes over webhooks and their deliveries."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.alerts.policy import DeliveryState
from service.alerts.records import Delivery, event_body
from service.alerts.registry import Webhook, WebhookRegistry
from service.alerts.sending import Sender
from service.alerts.store import DeliveryStore
from service.alerts.targets import MAX_URL_CHARS

DeadState = Literal["failed", "expired"]


class NewWebhook(BaseModel):
    """A target to register."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        min_length=1, max_length=MAX_URL_CHARS, description="Where alerts are to be posted: http or https."
    )
    description: str = Field(default="", max_length=500)


class WebhookView(BaseModel):
    """A registered webhook, without its secret."""

    id: str
    url: str
    description: str
    created: datetime


class CreatedWebhook(WebhookView):
    """A webhook just registered."""

    secret: str = Field(description="Verifies the signatures (Standard Webhooks). Shown this once.")


class WebhookList(BaseModel):
    """The project's webhooks, oldest first."""

    webhooks: list[WebhookView]


class DeliveryView(BaseModel):
    """One alert for one webhook, and how far it has come."""

    id: str = Field(description="The `webhook-id` header of every attempt.")
    alert_id: str
    run_id: str
    state: DeliveryState
    attempts: int
    created: datetime
    next_attempt: datetime | None
    expires: datetime = Field(description="Not sent after this: a warning that is too old is none.")
    settled: datetime | None
    status: int | None = Field(description="The HTTP status of the last attempt that was recorded.")
    error: str
    latency_ms: float | None


class DeliveryList(BaseModel):
    """A webhook's deliveries, newest first."""

    deliveries: list[DeliveryView]


class Redelivery(BaseModel):
    """Which delivery is on its way again."""

    id: str


class Redeliveries(BaseModel):
    """How many deliveries are on their way again."""

    redelivered: int
    more: bool = Field(description="True if the limit was reached: ask again.")


class TestResult(BaseModel):
    """What one attempt to send a test event came to."""

    delivered: bool
    status: int | None
    error: str
    latency_ms: float


def build_router(
    registry: WebhookRegistry,
    store: DeliveryStore,
    sender: Sender,
    *,
    partitions: int,
    project: Callable[..., Any],
    clock: Callable[[], float] = time.time,
) -> APIRouter:
    """The routes under `/v1/webhooks`. `project` is a FastAPI dependency that gives the caller's project."""
    router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
    caller = Depends(project)
    state_query = Query(None, description="Only deliveries in this state.")
    limit_query = Query(50, ge=1, le=500)
    dead_query = Query("failed", description="Which deliveries: failed or expired ones.")
    many_query = Query(500, ge=1, le=500, description="So many at most, the newest first.")

    @router.post("", status_code=201)
    async def create_webhook(body: NewWebhook, project: str = caller) -> CreatedWebhook:
        """Registers a target for the project's alerts; the answer holds the signing secret, this once."""
        webhook = await registry.create(project, body.url, body.description)
        return CreatedWebhook(**_view(webhook).model_dump(), secret=webhook.secrets[0])

    @router.get("")
    async def list_webhooks(project: str = caller) -> WebhookList:
        """Lists the project's webhooks, without secrets."""
        return WebhookList(webhooks=[_view(webhook) for webhook in await registry.of_project(project)])

    @router.delete("/{webhook_id}", status_code=204)
    async def delete_webhook(webhook_id: str, project: str = caller) -> Response:
        """Forgets a webhook: nothing more is sent to it, and what is pending for it fails."""
        await registry.delete(project, webhook_id)
        return Response(status_code=204)

    @router.post("/{webhook_id}/test")
    async def test_webhook(webhook_id: str, project: str = caller) -> TestResult:
        """Sends one signed event of type `webhook.test` at once, without retries, and says what came back."""
        webhook = await registry.get(project, webhook_id)
        body = event_body("webhook.test", int(clock() * 1000), {"webhook_id": webhook.id, "project": project})
        attempt = await sender.send(webhook, f"msg_test_{secrets.token_hex(12)}", body)
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
        project: str = caller,
    ) -> DeliveryList:
        """Lists a webhook's deliveries, newest first. Delivered ones stay visible for a day, others for 30."""
        webhook = await registry.get(project, webhook_id)
        found = await store.deliveries_of(webhook.id, partitions, state=state, limit=limit)
        return DeliveryList(deliveries=[_delivery_view(delivery) for delivery in found])

    @router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
    async def redeliver(webhook_id: str, delivery_id: str, project: str = caller) -> Redelivery:
        """Sends a delivery again, whatever its state, under its old `webhook-id`; not if its alert is acknowledged."""
        webhook = await registry.get(project, webhook_id)
        await store.redeliver(webhook, delivery_id, partitions, int(clock() * 1000))
        return Redelivery(id=delivery_id)

    @router.post("/{webhook_id}/redeliver", status_code=202)
    async def redeliver_all(
        webhook_id: str,
        state: DeadState = dead_query,
        limit: int = many_query,
        project: str = caller,
    ) -> Redeliveries:
        """Sends all deliveries of a webhook that failed (or expired) again, under their old ids and with a fresh time
        to live. What was acknowledged meanwhile is not sent.
        """
        webhook = await registry.get(project, webhook_id)
        made = await store.redeliver_all(webhook, state, partitions, int(clock() * 1000), limit=limit)
        return Redeliveries(redelivered=made, more=made == limit)

    return router


def _view(webhook: Webhook) -> WebhookView:
    return WebhookView(id=webhook.id, url=webhook.url, description=webhook.description, created=_at(webhook.created_ms))


def _delivery_view(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        id=delivery.id,
        alert_id=delivery.alert_id,
        run_id=delivery.run_id,
        state=delivery.state,
        attempts=delivery.attempts,
        created=_at(delivery.created_ms),
        next_attempt=_at(delivery.next_ms) if delivery.state == "pending" else None,
        expires=_at(delivery.expires_ms),
        settled=_at(delivery.settled_ms) if delivery.settled_ms and delivery.state != "pending" else None,
        status=delivery.status,
        error=delivery.error,
        latency_ms=delivery.latency_ms,
    )


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
