"""The route that shows a run's steps: as they came, as the monitor reads them, and what they did."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from monitors.adapter import Adapter
from service.api.deps import ApiDeps, project_of
from service.api.values import RunId
from service.core.ingest import check_run_id
from service.core.moving import REPLAYED_AT_MOST
from service.core.run_steps import STEPS_AT_MOST, RunStep
from service.errors import NotFound
from service.records import RunRef


class MovedView(BaseModel):
    """What a field of the step, or words in it, did to the score."""

    field: str = Field(description="The field of the StepView.")
    text: str = Field(description="One or two words of the field; empty where the whole field is meant.")
    weight: float = Field(description="Of the raw failure logit, lost when that is left out; positive is worse.")


class RunStepView(BaseModel):
    """A step of a run."""

    position: int = Field(description="The step's place in its run, 0 for the first.")
    turn: int | None = Field(description="Null, like the figures below, until the step is scored.")
    raw: Any = Field(description="The raw step as it was stored, or null.")
    raw_missing: str | None = Field(
        description="Why `raw` is null: no-content; not kept here (no archive, or none on this machine); not in the "
        "archive; parked; waiting to be scored; too much to look through."
    )
    view: dict[str, Any] | None = Field(description="The StepView that the run's monitor reads; null without `raw`.")
    risk: float | None = Field(description="P(the run fails within the monitor's horizon of turns), as it was stored.")
    failure_probability: float | None = Field(description="P(the run fails in the end), as it was stored.")
    symbol: int | None = Field(description="The event symbol that the monitor assigned.")
    moved: list[MovedView] | None = Field(
        description="What moved the score, the greatest first. Null where it cannot be told: an earlier raw step is "
        "missing, the step lies too far from the run's first, or the monitor is not to be had."
    )


class RunStepsPage(BaseModel):
    """Steps of a run, in order."""

    steps: list[RunStepView] = Field(description="The steps of this page.")
    next: int | None = Field(description="Give it as `?first=` for the next page; null on the last.")


def build_run_steps_router(deps: ApiDeps) -> APIRouter:
    """The route that shows a run's steps."""
    router = APIRouter(tags=["runs"])

    async def read_steps(
        run_id: RunId,
        request: Request,
        first: int = Query(0, ge=0, le=2**31, description="Steps from this position on."),
        limit: int = Query(50, ge=1, le=STEPS_AT_MOST, description="So many steps at most."),
        moved: bool = Query(True, description="Whether to tell what moved the score: some milliseconds a step."),
    ) -> Response:
        """Read a run's steps. Each has the raw step where it is kept, its fields as the run's monitor reads them, the
        stored risk, and what moved it.
        """
        check_run_id(run_id)
        ref = RunRef(project_of(request), run_id)
        run, steps = await deps.steps.read(ref, first, limit)
        adapter = await _adapter(deps, run.monitor_id, ref.project)
        views = await asyncio.to_thread(_views, adapter, steps)
        told = {}
        if moved and any(step.data is not None for step in steps) and first + limit <= REPLAYED_AT_MOST:
            before = await _before(deps, ref, first)
            told = await deps.moving.explain(run.monitor_id, [*before, *steps], first)
        following = first + len(steps)
        shown = [
            {
                "position": step.position,
                "turn": step.record and step.record.turn,
                "raw": None if step.data is None else orjson.Fragment(step.data),
                "raw_missing": step.missing,
                "view": view,
                "risk": step.record and step.record.risk,
                "failure_probability": step.record and step.record.failure_probability,
                "symbol": step.record and step.record.symbol,
                "moved": told.get(step.position),
            }
            for step, view in zip(steps, views, strict=True)
        ]
        document = {"steps": shown, "next": following if steps and following < run.accepted else None}
        # Large: written out off the event loop.
        return Response(await asyncio.to_thread(orjson.dumps, document), media_type="application/json")

    router.add_api_route(
        "/v1/runs/{run_id}/steps",
        read_steps,
        methods=["GET"],
        responses={200: {"model": RunStepsPage}},
        response_model=None,
    )
    return router


async def _before(deps: ApiDeps, ref: RunRef, first: int) -> list[RunStep]:
    """The run's steps before a position, as far as all their raw steps are to be had."""
    before: list[RunStep] = []
    while len(before) < first:
        _, steps = await deps.steps.read(ref, len(before), min(STEPS_AT_MOST, first - len(before)))
        before += steps
        if not steps or any(step.data is None and not (step.record and step.record.parked) for step in steps):
            break
    return before


async def _adapter(deps: ApiDeps, monitor_id: str, project: str) -> Adapter | None:
    try:
        return (await deps.catalogue.get(monitor_id or "active", project)).adapter
    except NotFound:
        return None


def _views(adapter: Adapter | None, steps: Sequence[RunStep]) -> list[dict[str, Any] | None]:
    return [
        None if adapter is None or step.data is None else adapter.view(orjson.loads(step.data))[0].to_dict()
        for step in steps
    ]
