"""The page of one run: what it is, how its risk went, its alerts, its steps."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.alert_views import to_alert_view
from service.api.deps import ApiDeps, project_of
from service.api.run_views import to_run_view, to_shadow_view
from service.api.values import RunId
from service.core.ingest import check_run_id
from service.errors import NotFound
from service.pages.rendering import Pages
from service.pages.threshold_line import ThresholdLine, to_threshold_line
from service.records import RunRecord, RunRef


def build_run_page(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The page `/runs/{run_id}`."""
    router = pages.router()

    async def show(run_id: RunId, request: Request) -> Response:
        check_run_id(run_id)
        ref = RunRef(project_of(request), run_id)
        record, alerts = await asyncio.gather(deps.reader.read_run(ref), deps.reader.read_run_alerts(ref))
        if record is None:
            raise NotFound(f"there is no run {run_id}: it may have been deleted, or belong to another project")
        line = await find_line(record)
        return pages.render(
            request,
            "run.html",
            run=to_run_view(record),
            shadow=to_shadow_view(record),
            alerts=[to_alert_view(alert) for alert in reversed(alerts)],
            line=line,
            told={"run_id": run_id, "line": None if line is None else asdict(line)},
        )

    async def find_line(record: RunRecord) -> ThresholdLine | None:
        try:
            entry = await deps.catalogue.get(record.monitor_id or "active", record.ref.project)
        except NotFound:
            return None
        scored = record.summary.max_score is not None
        return to_threshold_line(entry.manifest, record.summary.rule if scored else None, record.agent)

    router.add_api_route("/runs/{run_id}", show, methods=["GET"])
    return router
