"""The pages of monitors: what each promises and was measured at, what live runs say, and which one new runs have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api import switch_acts
from service.api.deps import ApiDeps, principal_of, project_of
from service.api.monitor_routes import look, shadow_counts, to_monitor_view
from service.api.switch_routes import to_chosen_view
from service.core.catalogue import MonitorEntry
from service.core.tenants.access import Principal
from service.errors import ServiceError, TransientError
from service.pages.automaton_picture import add_automaton_picture
from service.pages.automaton_tables import AutomatonTables, to_tables
from service.pages.bundle_parts import BundleParts
from service.pages.forms import read_form
from service.pages.measured import to_charts, to_rows, to_served
from service.pages.rendering import Pages

_DONE = {
    "activate": "New runs begin with this monitor now. Runs that had begun keep theirs.",
    "shadow": "New runs have this monitor as their shadow now. It raises no alerts.",
    "unshadow": "New runs have no shadow now. Runs that have one keep it.",
    "rollback": "Rolled back: new runs begin with what was active before.",
}
_ACTS: Mapping[str, Callable[[ApiDeps, Principal, str], Awaitable[object]]] = {
    "activate": switch_acts.activate,
    "shadow": switch_acts.set_shadow,
    "unshadow": switch_acts.drop_shadow,
}


def build_monitor_pages(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The pages `/monitors` and `/monitors/{monitor_id}`, the automaton's picture, and their acts."""
    router = pages.router()
    parts = BundleParts()

    async def show_list(request: Request, done: str = "") -> Response:
        return await list_them(request, done=_DONE.get(done, ""))

    async def list_them(request: Request, *, done: str = "", problem: str = "") -> Response:
        project = project_of(request)
        registered, alive = await look(deps)
        return pages.render(
            request,
            "monitors.html",
            monitors=[to_monitor_view(deps, one, project, registered, alive) for one in deps.catalogue.list(project)],
            history=to_chosen_view(deps, deps.book.settings(project).monitors)["history"],
            done=done,
            problem=problem,
        )

    async def show_one(monitor_id: str, request: Request, done: str = "") -> Response:
        return await show(monitor_id, request, done=_DONE.get(done, ""))

    async def show(monitor_id: str, request: Request, *, done: str = "", problem: str = "") -> Response:
        project = project_of(request)
        entry = await deps.catalogue.get(monitor_id, project)
        registered, alive = await look(deps)
        quality = await _quality_of(deps, project, entry.monitor_id)
        trained, evaluation = await parts.reliability(entry), await parts.evaluation(entry)
        return pages.render(
            request,
            "monitor.html",
            monitor=to_monitor_view(deps, entry, project, registered, alive),
            event_unit=entry.adapter.spec.event.unit,
            examples=list(entry.examples)[:3],
            quality=quality,
            automaton=await _tables_of(parts, entry, quality),
            charts=to_charts(entry.manifest, trained, evaluation, quality),
            has_measured=trained is not None or evaluation is not None,
            evaluation=evaluation,
            rows=to_rows(evaluation.figures if evaluation else entry.manifest.metrics),
            served=to_served(evaluation),
            has_picture=await parts.picture(entry) is not None,
            shadow_id=deps.catalogue.choose(project).shadow_id,
            as_shadow=await shadow_counts(deps, project, entry.monitor_id),
            done=done,
            problem=problem,
        )

    async def act(monitor_id: str, what: str, request: Request) -> Response:
        try:
            await _ACTS[what](deps, principal_of(request), monitor_id)
        except ServiceError as error:
            return pages.as_refusal(await show(monitor_id, request, problem=str(error)), error)
        return RedirectResponse(f"/monitors/{quote(monitor_id, safe='')}?done={what}", 303)

    async def activate(monitor_id: str, request: Request) -> Response:
        return await act(monitor_id, "activate", request)

    async def set_shadow(monitor_id: str, request: Request) -> Response:
        return await act(monitor_id, "shadow", request)

    async def drop_shadow(monitor_id: str, request: Request) -> Response:
        return await act(monitor_id, "unshadow", request)

    async def roll_back(request: Request) -> Response:
        await read_form(request)
        try:
            await switch_acts.roll_back(deps, principal_of(request))
        except ServiceError as error:
            return pages.as_refusal(await list_them(request, problem=str(error)), error)
        return RedirectResponse("/monitors?done=rollback", 303)

    router.add_api_route("/monitors", show_list, methods=["GET"])
    router.add_api_route("/monitors/rollback", roll_back, methods=["POST"])
    router.add_api_route("/monitors/{monitor_id}", show_one, methods=["GET"])
    add_automaton_picture(router, deps, parts)
    router.add_api_route("/monitors/{monitor_id}/activate", activate, methods=["POST"])
    router.add_api_route("/monitors/{monitor_id}/shadow", set_shadow, methods=["POST"])
    router.add_api_route("/monitors/{monitor_id}/unshadow", drop_shadow, methods=["POST"])
    return router


async def _quality_of(deps: ApiDeps, project: str, monitor_id: str) -> dict[str, Any] | None:
    """What live runs say; None where Redis does not answer."""
    try:
        report = (await deps.quality.reports()).get((project, monitor_id))
    except TransientError:
        return None
    return report or deps.quality.blank(monitor_id)


async def _tables_of(
    parts: BundleParts, entry: MonitorEntry, quality: Mapping[str, Any] | None
) -> AutomatonTables | None:
    automaton = await parts.automaton(entry)
    if automaton is None:
        return None
    symbols = (quality or {}).get("symbols")
    shares = symbols["shares"] if symbols else ()
    return to_tables(automaton, {one["name"]: (one["reference"], one["now"]) for one in shares})
