"""HTTP routes over webhooks and their deliveries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, Query, Response

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


def build_router(acts: WebhookActs, principal: Callable[..., Any]) -> APIRouter:
    """The routes under `/v1/webhooks`. `principal` is a FastAPI dependency that says who asks."""
    router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
    _add_registry_routes(router, acts, Depends(principal))
    _add_delivery_routes(router, acts, Depends(principal))
    return router


def _add_registry_routes(router: APIRouter, acts: WebhookActs, caller: Any) -> None:
    @router.post("", status_code=201)
    async def create_webhook(body: NewWebhook, who: Principal = caller) -> CreatedWebhook:
        """Registers a target for the project's alerts; the answer holds the signing secret, this once."""
        return await acts.create(who, body)

    @router.get("")
    async def list_webhooks(who: Principal = caller) -> WebhookList:
        """Lists the project's webhooks, without secrets."""
        return await acts.list(who)

    @router.get("/{webhook_id}")
    async def get_webhook(webhook_id: str, who: Principal = caller) -> WebhookView:
        """Shows a webhook, without its secrets."""
        return await acts.get(who, webhook_id)

    @router.patch("/{webhook_id}")
    async def change_webhook(webhook_id: str, body: WebhookChange, who: Principal = caller) -> WebhookView:
        """Replaces those fields of a webhook that the body names. What its quiet hours held back is judged anew."""
        return await acts.change(who, webhook_id, body)

    @router.delete("/{webhook_id}", status_code=204)
    async def delete_webhook(webhook_id: str, who: Principal = caller) -> Response:
        """Forgets a webhook: nothing more is sent to it, and what is pending for it fails."""
        await acts.delete(who, webhook_id)
        return Response(status_code=204)

    @router.post("/{webhook_id}/rotate-secret")
    async def rotate_secret(webhook_id: str, body: Rotation | None = None, who: Principal = caller) -> CreatedWebhook:
        """Gives a webhook a new signing secret, shown this once. The old one signs too for a time of grace: receivers
        see both signatures and may verify either. Of secrets rotated before, one more signs on at most."""
        return await acts.rotate(who, webhook_id, None if body is None else body.grace_hours)

    @router.post("/{webhook_id}/enable")
    async def enable_webhook(webhook_id: str, who: Principal = caller) -> WebhookView:
        """Sends to a disabled webhook again, and forgets its failures. What failed meanwhile: `POST …/redeliver`."""
        return await acts.enable(who, webhook_id)


def _add_delivery_routes(router: APIRouter, acts: WebhookActs, caller: Any) -> None:
    state_query = Query(None, description="Only deliveries in this state.")
    limit_query = Query(50, ge=1, le=500)
    dead_query = Query("failed", description="Which deliveries: failed or expired ones.")
    many_query = Query(500, ge=1, le=500, description="So many at most, the newest first.")

    @router.post("/{webhook_id}/test")
    async def test_webhook(webhook_id: str, who: Principal = caller) -> TestResult:
        """Sends one signed event of type `webhook.test` at once, in the webhook's format, without retries, and says
        what came back. It tries a disabled webhook too."""
        return await acts.test(who, webhook_id)

    @router.get("/{webhook_id}/deliveries")
    async def list_deliveries(
        webhook_id: str,
        state: DeliveryState | None = state_query,
        limit: int = limit_query,
        who: Principal = caller,
    ) -> DeliveryList:
        """Lists a webhook's deliveries, newest first. Delivered ones stay visible for a day, others for 30."""
        return await acts.deliveries(who, webhook_id, state, limit)

    @router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
    async def redeliver(webhook_id: str, delivery_id: str, who: Principal = caller) -> Redelivery:
        """Sends a delivery again, whatever its state, under its old `webhook-id`; not if its alert is acknowledged."""
        return await acts.redeliver(who, webhook_id, delivery_id)

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
        return await acts.redeliver_all(who, webhook_id, state, limit)
