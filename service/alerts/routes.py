"""HTTP routes over webhooks and their deliveries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from service.alerts.acts import DeadState, WebhookActs
from service.alerts.policy import DeliveryState
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
)
from service.core.tenants.access import Principal

WebhookId = Annotated[str, Path(description="The webhook's `id`.")]
DeliveryId = Annotated[str, Path(description="The delivery's `id`: the `webhook-id` header that the receiver saw.")]


def build_router(acts: WebhookActs, principal: Callable[..., Any]) -> APIRouter:
    """The routes under `/v1/webhooks`. `principal` is a FastAPI dependency that says who asks."""
    router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
    _add_registry_routes(router, acts, Depends(principal))
    _add_delivery_routes(router, acts, Depends(principal))
    return router


def _add_registry_routes(router: APIRouter, acts: WebhookActs, caller: Any) -> None:
    @router.post("", status_code=201)
    async def create_webhook(body: NewWebhook, who: Principal = caller) -> CreatedWebhook:
        """Register a target for the project's alerts. The answer holds the signing secret, this once."""
        return await acts.create(who, body)

    @router.get("")
    async def list_webhooks(who: Principal = caller) -> WebhookList:
        """List the project's webhooks, without secrets."""
        return await acts.list(who)

    @router.get("/{webhook_id}")
    async def get_webhook(webhook_id: WebhookId, who: Principal = caller) -> WebhookView:
        """Read a webhook, without its secrets."""
        return await acts.get(who, webhook_id)

    @router.patch("/{webhook_id}")
    async def change_webhook(webhook_id: WebhookId, body: WebhookChange, who: Principal = caller) -> WebhookView:
        """Change a webhook. Fields that the body names are replaced. What its quiet hours held back is judged anew."""
        return await acts.change(who, webhook_id, body)

    @router.delete("/{webhook_id}", status_code=204, response_description="Done")
    async def delete_webhook(webhook_id: WebhookId, who: Principal = caller) -> Response:
        """Delete a webhook. Nothing more is sent to it, and what is pending for it fails."""
        await acts.delete(who, webhook_id)
        return Response(status_code=204)

    @router.post("/{webhook_id}/rotate-secret")
    async def rotate_secret(
        webhook_id: WebhookId, body: Rotation | None = None, who: Principal = caller
    ) -> CreatedWebhook:
        """Give a webhook a new signing secret, shown this once. The old one signs too for a time of grace: receivers
        see both signatures and may verify either. Of secrets rotated before, one more signs on at most."""
        return await acts.rotate(who, webhook_id, None if body is None else body.grace_hours)

    @router.post("/{webhook_id}/enable")
    async def enable_webhook(webhook_id: WebhookId, who: Principal = caller) -> WebhookView:
        """Send to a disabled webhook again. Its failures are forgotten. What failed meanwhile: `POST …/redeliver`."""
        return await acts.enable(who, webhook_id)


def _add_delivery_routes(router: APIRouter, acts: WebhookActs, caller: Any) -> None:
    state_query = Query(None, description="Only deliveries in this state.")
    limit_query = Query(50, ge=1, le=500, description="So many at most.")
    dead_query = Query("failed", description="Which deliveries: failed or expired ones.")
    many_query = Query(500, ge=1, le=500, description="So many at most, the newest first.")

    @router.post("/{webhook_id}/test")
    async def test_webhook(webhook_id: WebhookId, who: Principal = caller) -> TestResult:
        """Send a test event. It is signed, of type `webhook.test`, in the webhook's format, sent at once and without
        retries; the answer says what came back. It tries a disabled webhook too."""
        return await acts.test(who, webhook_id)

    @router.get("/{webhook_id}/deliveries")
    async def list_deliveries(
        webhook_id: WebhookId,
        state: DeliveryState | None = state_query,
        limit: int = limit_query,
        who: Principal = caller,
    ) -> DeliveryList:
        """List a webhook's deliveries, newest first. Delivered ones stay visible for a day, others for 30."""
        return await acts.deliveries(who, webhook_id, state, limit)

    @router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
    async def redeliver(webhook_id: WebhookId, delivery_id: DeliveryId, who: Principal = caller) -> Redelivery:
        """Send a delivery again. Whatever its state, under its old `webhook-id`; not if its alert is acknowledged."""
        return await acts.redeliver(who, webhook_id, delivery_id)

    @router.post("/{webhook_id}/redeliver", status_code=202)
    async def redeliver_all(
        webhook_id: WebhookId,
        state: DeadState = dead_query,
        limit: int = many_query,
        who: Principal = caller,
    ) -> Redeliveries:
        """Send all deliveries that failed (or expired) again. Under their old ids, with a fresh time to live. What was
        acknowledged meanwhile is not sent."""
        return await acts.redeliver_all(who, webhook_id, state, limit)
