"""The pages of webhooks: where alerts are sent, whether they arrive, and what to do where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from service.alerts.acts import DeadState, WebhookActs
from service.alerts.policy import DeliveryState
from service.alerts.views import NewWebhook, TestResult
from service.api.deps import principal_of
from service.errors import PoisonError
from service.pages.forms import read_form
from service.pages.rendering import Pages

STATES = get_args(DeliveryState)
DEAD = get_args(DeadState)
FORMATS = ("native", "slack", "alertmanager", "pagerduty")
SHOWN, AT_ONCE = 100, 500
_DONE = {
    "deleted": "The webhook is forgotten: nothing more is sent to it.",
    "enabled": "Alerts are sent to it again.",
    "again": "On its way again: reload to see what became of it.",
}


def build_webhook_pages(acts: WebhookActs, pages: Pages) -> APIRouter:
    """The pages `/webhooks` and `/webhooks/{webhook_id}`, and their acts."""
    router = pages.router()
    shown = _Shown(acts, pages)
    _add_list(router, acts, shown)
    _add_acts(router, acts, shown)
    return router


class _Shown:
    """The two pages, with what was just done."""

    def __init__(self, acts: WebhookActs, pages: Pages) -> None:
        self._acts = acts
        self._pages = pages

    async def list(
        self,
        request: Request,
        status: int = 200,
        *,
        faults: Mapping[str, str] | None = None,
        said: Mapping[str, str] | None = None,
        done: str = "",
    ) -> Response:
        """All webhooks, and the form for a new one: with `said` in it, and each fault beside its field."""
        found = await self._acts.list(principal_of(request))
        shown = {"webhooks": found.webhooks, "formats": FORMATS, "faults": faults or {}, "said": said or {}}
        return self._pages.render(request, "webhooks.html", status, **shown, done=done)

    async def one(
        self,
        webhook_id: str,
        request: Request,
        status: int = 200,
        *,
        secret: str = "",
        tested: TestResult | None = None,
        done: str = "",
    ) -> Response:
        """A webhook and its deliveries."""
        who = principal_of(request)
        asked = request.query_params.get("state")
        state: Any = asked if asked in STATES else None
        shown = {
            "webhook": await self._acts.get(who, webhook_id),
            "deliveries": (await self._acts.deliveries(who, webhook_id, state, SHOWN)).deliveries,
            "state": state,
            "states": STATES,
            "dead": DEAD,
            "shown": SHOWN,
        }
        return self._pages.render(request, "webhook.html", status, **shown, secret=secret, tested=tested, done=done)


def _add_list(router: APIRouter, acts: WebhookActs, shown: _Shown) -> None:
    async def show_list(request: Request, done: str = "") -> Response:
        return await shown.list(request, done=_DONE.get(done, ""))

    async def add(request: Request) -> Response:
        said = await read_form(request)
        try:
            body = NewWebhook.model_validate(_to_body(said))
            made = await acts.create(principal_of(request), body)
        except ValidationError as error:
            faults = {str(one["loc"][0]): one["msg"] for one in error.errors()}
            return await shown.list(request, 422, faults=faults, said=said)
        except PoisonError as error:
            return await shown.list(request, 422, faults={"url": str(error)}, said=said)
        return await shown.one(made.id, request, 201, secret=made.secret)

    router.add_api_route("/webhooks", show_list, methods=["GET"])
    router.add_api_route("/webhooks", add, methods=["POST"])


def _add_acts(router: APIRouter, acts: WebhookActs, shown: _Shown) -> None:
    async def show_webhook(webhook_id: str, request: Request, done: str = "") -> Response:
        return await shown.one(webhook_id, request, done=_DONE.get(done, ""))

    async def test(webhook_id: str, request: Request) -> Response:
        return await shown.one(webhook_id, request, tested=await acts.test(principal_of(request), webhook_id))

    async def rotate(webhook_id: str, request: Request) -> Response:
        made = await acts.rotate(principal_of(request), webhook_id, None)
        return await shown.one(webhook_id, request, secret=made.secret)

    async def enable(webhook_id: str, request: Request) -> Response:
        await acts.enable(principal_of(request), webhook_id)
        return RedirectResponse(f"/webhooks/{webhook_id}?done=enabled", 303)

    async def delete(webhook_id: str, request: Request) -> Response:
        await acts.delete(principal_of(request), webhook_id)
        return RedirectResponse("/webhooks?done=deleted", 303)

    async def redeliver(webhook_id: str, delivery_id: str, request: Request) -> Response:
        await acts.redeliver(principal_of(request), webhook_id, delivery_id)
        return RedirectResponse(f"/webhooks/{webhook_id}?done=again", 303)

    async def redeliver_all(webhook_id: str, request: Request) -> Response:
        state: DeadState = "expired" if (await read_form(request)).get("state") == "expired" else "failed"
        await acts.redeliver_all(principal_of(request), webhook_id, state, AT_ONCE)
        return RedirectResponse(f"/webhooks/{webhook_id}?done=again", 303)

    one = "/webhooks/{webhook_id}"
    router.add_api_route(one, show_webhook, methods=["GET"])
    for path, route in (
        ("test", test),
        ("rotate-secret", rotate),
        ("enable", enable),
        ("delete", delete),
        ("redeliver", redeliver_all),
        ("deliveries/{delivery_id}/redeliver", redeliver),
    ):
        router.add_api_route(f"{one}/{path}", route, methods=["POST"])


def _to_body(said: dict[str, str]) -> dict[str, Any]:
    """A form's texts as the API's body has them."""
    body: dict[str, Any] = {"url": said.get("url", ""), "description": said.get("description", "")}
    body["format"] = said.get("format") or "native"
    if said.get("routing_key"):
        body["routing_key"] = said["routing_key"]
    filters: dict[str, Any] = {}
    if said.get("severity"):
        filters["severity"] = said["severity"]
    if agents := [one.strip() for one in said.get("agents", "").split(",") if one.strip()]:
        filters["agents"] = agents
    return body | ({"filters": filters} if filters else {})
