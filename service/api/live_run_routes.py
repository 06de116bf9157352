"""The list of runs, live: what to show, once a second, however many runs there are and however fast their steps
come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Literal

import orjson
from fastapi import APIRouter, Query, Request
from sse_starlette.event import ServerSentEvent
from starlette.responses import Response

from service.api.deps import ApiDeps, principal_of, project_of
from service.api.event_routes import LOOK_EVERY_S, RETRY_MS, STREAM, Absence, EventStream, Reached
from service.core.live_runs import RUNS_KEPT, Digest, LiveQuery, LiveRow
from service.errors import TransientError

ShownState = Literal[
    "live", "all", "ok", "warning", "acknowledged", "recovered", "ended", "expired", "succeeded", "failed"
]
LIMIT = 50
_STATE = Query("live", description="Only runs in this state; `live`: those that are not over, `all`: every one.")
_SORT = Query("risk", description="The riskiest first, or the newest.")
_MIN_RISK = Query(0.0, ge=0, le=1, allow_inf_nan=False, description="Only runs whose latest risk is at least this.")


def build_live_run_router(deps: ApiDeps) -> APIRouter:
    """The route that streams the list."""
    router = APIRouter(tags=["live"])

    async def stream_list(
        request: Request,
        state: ShownState = _STATE,
        agent: str = Query("", max_length=200, description="Only runs of this agent."),
        monitor: str = Query("", max_length=200, description="Only runs that this monitor scores."),
        min_risk: float = _MIN_RISK,
        search: str = Query("", max_length=200, description="Part of a run's name."),
        sort: Literal["risk", "newest"] = _SORT,
        limit: int = Query(LIMIT, ge=1, le=200, description="So many runs at most."),
        first: int = Query(0, ge=0, le=RUNS_KEPT, description="Runs from this place of the order on; 0 for the top."),
    ) -> Response:
        """Follow the list of runs, as it stands once a second. Event `list`: `order` (the runs to show), `rows` (those
        that changed since the event before), `matching` and `known` (how many runs). Begins anew after a reconnect.
        `away` while the log does not answer, `back` once it does. The newest 20,000 runs are looked at.
        """
        query = LiveQuery(project_of(request), state, agent, monitor, min_risk, search, sort, limit, first)
        principal = principal_of(request)
        deps.gate.enter()

        def goes_on() -> bool:
            return not deps.gate.is_closing and deps.authenticator.holds(principal)

        return EventStream(_events(lambda: deps.live_runs.look(query), goes_on), deps.gate, Reached())

    answers: dict[int | str, dict[str, Any]] = {200: STREAM[200]}
    router.add_api_route(
        "/v1/live-runs",
        stream_list,
        methods=["GET"],
        status_code=200,
        responses=answers,
        response_model=None,
        response_class=EventStream,
    )
    return router


async def _events(
    look: Callable[[], AsyncGenerator[Digest, None]], goes_on: Callable[[], bool]
) -> AsyncIterator[bytes]:
    yield ServerSentEvent(comment="forewarn", retry=RETRY_MS).encode()
    sent: dict[str, dict[str, Any]] = {}
    told: dict[str, Any] = {}
    absence = Absence()
    while goes_on():
        try:
            async with aclosing(look()) as looking:
                async for shown in looking:
                    for event in absence.over():
                        yield event
                    rows = {row.ref.run_id: to_row_view(row) for row in shown.rows}
                    changed = [view for name, view in rows.items() if sent.get(name) != view]
                    sent = rows
                    news = {"order": list(rows), "matching": shown.matching, "known": shown.known}
                    if changed or news != told:
                        told = news
                        document = orjson.dumps({**news, "rows": changed}).decode()
                        yield ServerSentEvent(document, event="list").encode()
                    else:
                        yield ServerSentEvent(comment="alive").encode()
                    if not goes_on():
                        return
        except TransientError as error:
            for event in absence.of(error):
                yield event
            await asyncio.sleep(LOOK_EVERY_S)


def to_row_view(row: LiveRow) -> dict[str, Any]:
    """A run in the list: risks and probabilities 0 … 1, null before the first score; `trail` its latest risks."""
    record, scored = row.record, row.position >= 0
    return {
        "run_id": row.ref.run_id,
        "state": row.state,
        "agent": row.agent,
        "monitor_id": record.monitor_id if record else "",
        "steps": max(record.accepted if record else 0, row.position + 1),
        "risk": round(row.risk, 4) if scored else None,
        "failure_probability": round(row.failure_probability, 4) if scored else None,
        "alerts": record.summary.alerts if record else 0,
        "updated_ms": row.updated_ms,
        "trail": [round(risk, 3) for risk in row.trail],
    }
