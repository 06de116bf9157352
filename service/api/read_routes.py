"""Routes that look: runs, their scores, alerts; and the one that says that an alert was seen."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from service.api.acknowledging import acknowledge_alert, find_alert
from service.api.alert_views import Acknowledge, AlertPage, AlertView, to_alert_view
from service.api.deps import ApiDeps, project_of
from service.api.run_views import RunDetail, RunPage, RunState, to_run_view, to_score_view, to_shadow_view
from service.api.step_route import to_answer
from service.api.values import AlertId, RunId
from service.core.alerting import Severity
from service.core.episodes import AlertState
from service.core.ingest import check_run_id
from service.errors import NameRefused, NotFound
from service.records import AlertQuery, RunQuery, RunRef

_AFTER = Query(None, max_length=500, description="`next` of the page before.")
_RUN_STATE = Query(None, description="Only runs in this state.")
_ALERT_STATE = Query(None, description="Only alerts in this state.")
_SEVERITY = Query(None, description="Only alerts of this severity.")
_SINCE = Query(None, ge=0, le=2**53, description="Only runs created at this time (ms since 1970) or later.")
_UNTIL = Query(None, ge=0, le=2**53, description="Only runs created before this time (ms since 1970).")
_MIN_RISK = Query(None, ge=0, le=1, allow_inf_nan=False, description="Only runs whose latest risk is at least this.")
_LIMIT = Query(50, ge=1, le=500, description="So many at most.")


def build_run_router(deps: ApiDeps) -> APIRouter:
    """The routes that show runs."""
    router = APIRouter(tags=["runs"])

    async def list_runs(
        request: Request,
        limit: int = _LIMIT,
        after: str | None = _AFTER,
        state: RunState | None = _RUN_STATE,
        agent: str | None = Query(None, max_length=200, description="Only runs of this agent."),
        monitor: str | None = Query(None, max_length=200, description="Only runs that this monitor scores."),
        since_ms: int | None = _SINCE,
        until_ms: int | None = _UNTIL,
        min_risk: float | None = _MIN_RISK,
    ) -> Response:
        """List runs, newest first. A page may hold fewer than `limit` and still have a `next`: filters look at some
        thousand runs at a time.
        """
        query = RunQuery(
            project_of(request), limit, read_mark(after), state, agent, monitor, since_ms, until_ms, min_risk
        )
        runs, following = await deps.reader.list_runs(query)
        return to_answer({"runs": [to_run_view(run) for run in runs], "next": to_mark(following)})

    async def get_run(
        run_id: RunId,
        request: Request,
        first: int = Query(0, ge=0, le=2**31, description="Scores from this position on."),
        limit: int = Query(2000, ge=1, le=10_000, description="So many scores at most."),
    ) -> Response:
        """Read a run, its risk step by step, and its alerts."""
        check_run_id(run_id)
        ref = RunRef(project_of(request), run_id)
        record, scores, alerts = await asyncio.gather(
            deps.reader.read_run(ref), deps.reader.read_scores(ref, first, limit), deps.reader.read_run_alerts(ref)
        )
        if record is None:
            raise NotFound(f"there is no run {run_id}")
        views = [to_score_view(first + index, score) for index, score in enumerate(scores) if score is not None]
        shown = {"scores": views, "alert_list": [to_alert_view(alert) for alert in alerts]}
        return to_answer({**to_run_view(record), **shown, "shadow": to_shadow_view(record)})

    for path, route, model in (("/v1/runs", list_runs, RunPage), ("/v1/runs/{run_id}", get_run, RunDetail)):
        router.add_api_route(path, route, methods=["GET"], responses={200: {"model": model}}, response_model=None)
    return router


def build_alert_router(deps: ApiDeps) -> APIRouter:
    """The routes that show alerts, and take note that somebody has seen one."""
    router = APIRouter(tags=["alerts"])

    async def list_alerts(
        request: Request,
        limit: int = _LIMIT,
        after: str | None = _AFTER,
        run_id: str | None = Query(None, max_length=200, description="Only alerts of this run."),
        state: AlertState | None = _ALERT_STATE,
        severity: Severity | None = _SEVERITY,
    ) -> Response:
        """List alerts, newest first."""
        alerts, following = await deps.reader.list_alerts(
            AlertQuery(project_of(request), limit, read_mark(after), run_id, state, severity)
        )
        return to_answer({"alerts": [to_alert_view(alert) for alert in alerts], "next": to_mark(following)})

    async def get_alert(alert_id: AlertId, request: Request) -> Response:
        """Read one alert, and what has become of it."""
        return to_answer(to_alert_view(await find_alert(deps, project_of(request), alert_id)))

    async def acknowledge(alert_id: AlertId, request: Request, said: Acknowledge | None = None) -> Response:
        """Take note of an alert. Nothing more is sent about this episode. The first time counts; saying it again
        changes nothing and answers the same. The run's next episode alerts anew.
        """
        said = said or Acknowledge()
        return to_answer(
            to_alert_view(await acknowledge_alert(deps, project_of(request), alert_id, said.by, said.note))
        )

    routes: tuple[tuple[str, str, Callable[..., Awaitable[Response]], type[BaseModel]], ...] = (
        ("GET", "", list_alerts, AlertPage),
        ("GET", "/{alert_id}", get_alert, AlertView),
        ("POST", "/{alert_id}/acknowledge", acknowledge, AlertView),
    )
    for method, path, route, model in routes:
        router.add_api_route(
            f"/v1/alerts{path}", route, methods=[method], responses={200: {"model": model}}, response_model=None
        )
    return router


def to_mark(mark: tuple[int, str] | None) -> str | None:
    """A place in a listing as callers carry it."""
    return None if mark is None else base64.urlsafe_b64encode(f"{mark[0]} {mark[1]}".encode()).decode().rstrip("=")


def read_mark(raw_mark: str | None) -> tuple[int, str] | None:
    """The place that `to_mark` wrote. Raises NameRefused."""
    if raw_mark is None:
        return None
    try:
        at, _, name = base64.urlsafe_b64decode(raw_mark + "=" * (-len(raw_mark) % 4)).decode().partition(" ")
        return int(at), name
    except (ValueError, binascii.Error):
        raise NameRefused("after", "this is no place in a listing: give `next` of the page before") from None
