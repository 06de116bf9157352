"""The page of all runs: what is risky right now, live."""

from __future__ import annotations

from typing import get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import ApiDeps, project_of
from service.api.live_run_routes import LIMIT, ShownState, to_row_view
from service.core.live_runs import RUNS_KEPT, LiveQuery
from service.pages.rendering import Pages

STATES = get_args(ShownState)
MOST_TEXT = 200


def build_run_list(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The page `/`."""
    router = pages.router()

    async def show_runs(request: Request) -> Response:
        asked = request.query_params
        query = LiveQuery(
            project_of(request),
            state=state if (state := asked.get("state", "")) in STATES else "live",
            agent=asked.get("agent", "").strip()[:MOST_TEXT],
            monitor=asked.get("monitor", "").strip()[:MOST_TEXT],
            min_risk=to_share(asked.get("min_risk", "")),
            search=asked.get("search", "").strip()[:MOST_TEXT],
            sort="newest" if asked.get("sort") == "newest" else "risk",
            limit=200 if asked.get("limit") == "200" else LIMIT,
            first=to_place(asked.get("first", "")),
        )
        shown = await deps.live_runs.show(query)
        filters = {
            "state": query.state,
            "agent": query.agent,
            "monitor": query.monitor,
            "min_risk": f"{query.min_risk:g}",
            "search": query.search,
            "sort": query.sort,
            "limit": str(query.limit),
        }
        return pages.render(
            request,
            "runs.html",
            rows=[to_row_view(row) for row in shown.rows],
            matching=shown.matching,
            known=shown.known,
            filters=filters,
            first=query.first,
            limit=query.limit,
            pages=_pages_of(filters, query.first, query.limit),
            states=STATES,
            stream="/v1/live-runs?" + urlencode({**filters, "first": query.first}),
            here=str(request.base_url).rstrip("/"),
            needs_key=deps.authenticator.required,
        )

    router.add_api_route("/", show_runs, methods=["GET"])
    return router


def _pages_of(filters: dict[str, str], first: int, limit: int) -> dict[str, str]:
    """The addresses of the pages around this one."""

    def page(place: int) -> str:
        return "/?" + urlencode({**filters, "first": place})

    return {"top": page(0), "before": page(max(0, first - limit)), "after": page(first + limit)}


def to_place(raw: str) -> int:
    """A place in the list as an address has it; 0, the top, for anything else."""
    return min(int(raw), RUNS_KEPT) if raw.isascii() and raw.isdigit() and len(raw) < 9 else 0


def to_share(raw: str) -> float:
    """A share of one as somebody typed it; 0 for anything else."""
    try:
        share = float(raw)
    except ValueError:
        return 0.0
    return share if 0 <= share <= 1 else 0.0
