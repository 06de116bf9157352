"""Routes that look: runs, alerts, monitors."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.api.deps import ApiDeps, project_of
from service.api.ingest_routes import read_body
from service.api.problems import problem
from service.api.views import (
    AlertPage,
    MonitorDetail,
    MonitorView,
    PreviewView,
    RunDetail,
    RunPage,
    RunState,
    to_alert_view,
    to_run_view,
    to_score_view,
)
from service.core.catalogue import MonitorEntry
from service.core.ingest import check_run_id
from service.core.raw_steps import StepLimits, parse_steps
from service.errors import NameRefused, NotFound
from service.records import AlertQuery, RunQuery, RunRef

_AFTER = Query(None, max_length=500, description="`next` of the page before.")
_STATE = Query(None)
_LIMIT = Query(50, ge=1, le=500)


def build_read_router(deps: ApiDeps) -> APIRouter:
    """The routes that look."""
    router = APIRouter()

    async def list_runs(
        request: Request,
        limit: int = _LIMIT,
        after: str | None = _AFTER,
        state: RunState | None = _STATE,
        agent: str | None = Query(None, max_length=200),
    ) -> Response:
        """Runs, newest first."""
        runs, following = await deps.reader.list_runs(
            RunQuery(project_of(request), limit, read_mark(after), state, agent)
        )
        return _json({"runs": [to_run_view(run) for run in runs], "next": to_mark(following)})

    async def get_run(
        run_id: str,
        request: Request,
        first: int = Query(0, ge=0, le=2**31, description="Scores from this position on."),
        limit: int = Query(2000, ge=1, le=10_000, description="So many scores at most."),
    ) -> Response:
        """A run, its risk step by step, and its alerts."""
        check_run_id(run_id)
        ref = RunRef(project_of(request), run_id)
        record, scores, alerts = await asyncio.gather(
            deps.reader.read_run(ref), deps.reader.read_scores(ref, first, limit), deps.reader.read_run_alerts(ref)
        )
        if record is None:
            raise NotFound(f"there is no run {run_id}")
        views = [to_score_view(first + index, score) for index, score in enumerate(scores) if score is not None]
        return _json({**to_run_view(record), "scores": views, "alert_list": [to_alert_view(alert) for alert in alerts]})

    async def list_alerts(
        request: Request,
        limit: int = _LIMIT,
        after: str | None = _AFTER,
        run_id: str | None = Query(None, max_length=200),
    ) -> Response:
        """Alerts, newest first."""
        alerts, following = await deps.reader.list_alerts(
            AlertQuery(project_of(request), limit, read_mark(after), run_id)
        )
        return _json({"alerts": [to_alert_view(alert) for alert in alerts], "next": to_mark(following)})

    for path, route, model, tag in (
        ("/v1/runs", list_runs, RunPage, "runs"),
        ("/v1/runs/{run_id}", get_run, RunDetail, "runs"),
        ("/v1/alerts", list_alerts, AlertPage, "alerts"),
    ):
        router.add_api_route(
            path, route, methods=["GET"], responses={200: {"model": model}}, response_model=None, tags=[tag]
        )
    return router


def build_monitor_router(deps: ApiDeps) -> APIRouter:
    """The routes about monitors. `{monitor_id}` may be `active`."""
    router = APIRouter(prefix="/v1/monitors", tags=["monitors"])

    async def list_monitors() -> Response:
        """The monitors that this service knows, the active one first."""
        return _json({"monitors": [_monitor(deps, entry) for entry in deps.catalogue.list()]})

    async def get_monitor(monitor_id: str) -> Response:
        """What a monitor is, what it promises, and three raw steps as it reads them."""
        entry = deps.catalogue.get(monitor_id)
        unit = entry.adapter.spec.event.unit
        adapter = orjson.loads(entry.adapter.spec.to_json())
        shown = {"event_unit": unit, "adapter": adapter, "examples": list(entry.examples)}
        return _json({**_monitor(deps, entry), **shown})

    async def preview(monitor_id: str, request: Request) -> Response:
        """How the monitor's adapter reads one raw step. Stores and scores nothing."""
        entry = deps.catalogue.get(monitor_id)
        body = await read_body(request, deps.max_body_bytes)
        if isinstance(body, Response):
            return body
        raw_steps = parse_steps(body, StepLimits(deps.max_body_bytes), envelope=False, idempotency_key=None)
        if len(raw_steps) != 1:
            return problem(400, "step-refused", "A step cannot be taken", "a preview reads one raw step")
        view, known = await asyncio.to_thread(entry.adapter.view, raw_steps[0].step)
        return _json({"known": known, "view": view.to_dict()})

    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}}
    router.add_api_route(
        "",
        list_monitors,
        methods=["GET"],
        responses={200: {"model": dict[str, list[MonitorView]]}},
        response_model=None,
    )
    router.add_api_route(
        "/{monitor_id}", get_monitor, methods=["GET"], responses={200: {"model": MonitorDetail}}, response_model=None
    )
    router.add_api_route(
        "/{monitor_id}/preview",
        preview,
        methods=["POST"],
        responses={200: {"model": PreviewView}},
        response_model=None,
        openapi_extra=body,
    )
    return router


def _monitor(deps: ApiDeps, entry: MonitorEntry) -> dict[str, Any]:
    return {
        "monitor_id": entry.monitor_id,
        "active": entry.monitor_id == deps.catalogue.active_id,
        "manifest": entry.manifest.summary(),
    }


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


def _json(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
