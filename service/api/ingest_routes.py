"""Routes that write: steps, what is said of a run, its end, its outcome."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.deps import ApiDeps, project_of
from service.api.run_views import Outcome, OutcomeSaid, RunEnded, RunStart, RunStarted
from service.api.step_document import LINES_DOCUMENT, STEPS_DOCUMENT
from service.api.step_route import StepEndpoint, to_answer
from service.api.step_views import StepsAnswer
from service.api.values import RunId
from service.core import outcomes as core_outcomes
from service.core.ingest import NO_MONITOR, check_run_id
from service.core.privacy.redaction import mask_description
from service.errors import NoMonitor
from service.records import RunDescription, RunRef


def build_ingest_router(deps: ApiDeps) -> APIRouter:
    """The routes that write."""
    router = APIRouter(tags=["runs"])

    async def put_run(run_id: RunId, request: Request, start: RunStart) -> Response:
        """Say what is known of a run: agent, task, tags. May come before its first step, and again. Where a monitor has
        thresholds by group, the agent named before the first step settles the run's.
        """
        check_run_id(run_id)
        project, _ = await writing(deps, request, run_id)
        monitors = deps.catalogue.choose(project)
        if not monitors.monitor_id:
            raise NoMonitor(NO_MONITOR, retry_after_s=5)
        said = to_description(deps, project, run_id, start)
        fresh = await deps.log.describe(RunRef(project, run_id), said, monitors.of_agent(said.agent or ""))
        return to_answer({"run_id": run_id, "created": fresh}, 201 if fresh else 200)

    async def end_run(run_id: RunId, request: Request) -> Response:
        """Close a run for steps. An outcome may still follow."""
        check_run_id(run_id)
        await deps.log.end(await writing(deps, request, run_id))
        return to_answer({"run_id": run_id, "ended": True})

    async def set_outcome(run_id: RunId, request: Request, outcome: Outcome) -> Response:
        """Say how a run went, and close it for steps. May come late, and be corrected: the last word holds. Saying the
        same again changes nothing.
        """
        said = core_outcomes.Outcome(outcome.success, outcome.intervened)
        changed = await core_outcomes.say_outcome(deps.log, await writing(deps, request, run_id), said)
        return to_answer({"run_id": run_id, **outcome.model_dump(), "changed": changed})

    async def delete_outcome(run_id: RunId, request: Request) -> Response:
        """Take a run's outcome back. The run stays closed, and counts as one without an outcome."""
        changed = await core_outcomes.take_back_outcome(deps.log, await writing(deps, request, run_id))
        return to_answer({"run_id": run_id, "success": None, "intervened": None, "changed": changed})

    endpoint = StepEndpoint(deps)

    async def post_steps(run_id: RunId, request: Request) -> Response:
        """Store steps at the end of a run. The answer says where they stand; it comes only after they are durable."""
        return await endpoint.answer(request.scope, request.receive, run_id)

    async def post_lines(request: Request) -> Response:
        """Store steps of many runs, one a line. Each is answered for itself, once all that were taken are durable."""
        return await endpoint.answer(request.scope, request.receive, None)

    path = "/v1/runs/{run_id}"
    answers: dict[int | str, dict[str, Any]] = {
        200: {"model": StepsAnswer, "description": "With `wait=score`: stored and scored"},
        202: {"model": StepsAnswer, "description": "Stored"},
    }
    # The requests themselves are answered before they come here (`front.py`): these say so in the OpenAPI document.
    for at, route, document in (
        (f"{path}/steps", post_steps, STEPS_DOCUMENT),
        ("/v1/steps", post_lines, LINES_DOCUMENT),
    ):
        router.add_api_route(
            at,
            route,
            methods=["POST"],
            status_code=202,
            responses=answers,
            openapi_extra=document,
            response_model=None,
        )
    started: dict[int | str, dict[str, Any]] = {
        200: {"model": RunStarted},
        201: {"model": RunStarted, "description": "The run is new"},
    }
    router.add_api_route(path, put_run, methods=["PUT"], responses=started, response_model=None)
    ended: dict[int | str, dict[str, Any]] = {200: {"model": RunEnded}}
    router.add_api_route(f"{path}/end", end_run, methods=["POST"], responses=ended, response_model=None)
    for method, outcome_route in (("POST", set_outcome), ("DELETE", delete_outcome)):
        said: dict[int | str, dict[str, Any]] = {200: {"model": OutcomeSaid}}
        router.add_api_route(f"{path}/outcome", outcome_route, methods=[method], responses=said, response_model=None)
    return router


def to_description(deps: ApiDeps, project: str, run_id: str, start: RunStart) -> RunDescription:
    """What is said of a run, as it may be kept. Raises NameRefused for a run whose name may not."""
    deps.redactor.check_name(project, "run_id", run_id)
    said = RunDescription(start.agent, start.task, start.tags)
    return mask_description(deps.redactor, deps.privacy, project, said)


async def writing(deps: ApiDeps, request: Request, run_id: str) -> RunRef:
    """The caller's run. What is said of a run counts as one step against its project's limit."""
    project = project_of(request)
    await deps.rate.take(project, 1)
    return RunRef(project, run_id)
