"""The pages of alerts: the list, each one with its evidence, and taking note."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api.acknowledging import acknowledge_alert, find_alert
from service.api.alert_views import to_alert_view
from service.api.deps import ApiDeps, project_of
from service.api.read_routes import read_mark, to_mark
from service.core.alerting import Severity
from service.core.episodes import AlertState
from service.errors import NotFound
from service.pages.forms import read_form
from service.pages.rendering import Pages
from service.pages.sign_in import local
from service.pages.threshold_line import to_failure_probability
from service.records import AlertQuery

_A_PAGE = 50
_LONGEST = {"by": 200, "note": 2000}
_TITLES = {"by": "the name", "note": "the note"}


def build_alert_pages(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The pages `/alerts` and `/alerts/{alert_id}`."""
    router = pages.router()

    async def show_list(
        request: Request,
        state: AlertState | Literal[""] = "",
        severity: Severity | Literal[""] = "",
        after: str | None = None,
    ) -> Response:
        query = AlertQuery(project_of(request), _A_PAGE, read_mark(after), None, state or None, severity or None)
        alerts, following = await deps.reader.list_alerts(query)
        chosen = {name: value for name, value in (("state", state), ("severity", severity)) if value}
        mark = to_mark(following)
        return pages.render(
            request,
            "alerts.html",
            alerts=[to_alert_view(alert) for alert in alerts],
            chosen=chosen,
            is_first=after is None,
            first_page="/alerts" + (f"?{urlencode(chosen)}" if chosen else ""),
            next_page=mark and "/alerts?" + urlencode({**chosen, "after": mark}),
            here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        )

    async def show_one(alert_id: str, request: Request) -> Response:
        return await show(request, alert_id)

    async def acknowledge(alert_id: str, request: Request) -> Response:
        said = await read_form(request)
        for name, most in _LONGEST.items():
            if len(said.get(name, "")) > most:
                problem = f"Nothing was noted yet: {_TITLES[name]} may have {most} characters at most. Shorten it."
                return await show(request, alert_id, problem, said, 422)
        await acknowledge_alert(deps, project_of(request), alert_id, said.get("by", ""), said.get("note", ""))
        back = said.get("back", "")
        return RedirectResponse(local(back) if back else f"/alerts/{quote(alert_id, safe='')}", 303)

    async def show(
        request: Request, alert_id: str, problem: str = "", said: dict[str, str] | None = None, status: int = 200
    ) -> Response:
        project = project_of(request)
        alert = to_alert_view(await find_alert(deps, project, alert_id))
        try:
            manifest = (await deps.catalogue.get(alert["monitor_id"], project)).manifest
        except NotFound:
            manifest = None
        return pages.render(
            request,
            "alert.html",
            status,
            alert=alert,
            manifest=manifest,
            threshold=manifest and to_failure_probability(manifest, [alert["threshold"]])[0],
            problem=problem,
            said=said or {},
        )

    router.add_api_route("/alerts", show_list, methods=["GET"])
    router.add_api_route("/alerts/{alert_id}", show_one, methods=["GET"])
    router.add_api_route("/alerts/{alert_id}/acknowledge", acknowledge, methods=["POST"])
    return router
