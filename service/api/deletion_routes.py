"""Routes that delete a run and all that came from it, and say how far that has come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.api import deletion_acts
from service.api.deps import ApiDeps, principal_of, project_of
from service.api.step_route import to_answer
from service.api.values import RunId
from service.records import Deletion

DeletionId = Annotated[str, Path(description="The `id` that asking for the deletion was answered with.")]


class DeletionView(BaseModel):
    """The deletion of a run."""

    id: str = Field(description="The same for the same run; it tells nothing of the run's name.")
    state: Literal["under-way", "done"] = Field(
        description="`done` once the run is gone from Redis and from the archive of every worker that is up."
    )
    asked: datetime = Field(description="When it was first asked for.")
    done: datetime | None = Field(description="When it was done; null while it is under way.")


def build_deletion_router(deps: ApiDeps) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["privacy"])

    async def delete_run(run_id: RunId, request: Request) -> Response:
        """Delete a run and all that came from it. Steps, scores, alerts and deliveries, in Redis and in the archive. It
        is answered at once; `GET /v1/deletions/{id}` says when it is done. Until then steps for the run are refused or
        deleted with it; after that they begin a new run. Asking again does no harm.
        """
        deletion = await deletion_acts.delete_run(deps, principal_of(request), run_id)
        return to_answer(to_view(deletion), 202)

    async def get_deletion(deletion_id: DeletionId, request: Request) -> Response:
        """Say how far a deletion has come. What is done is told for 30 days."""
        deletion = await deletion_acts.find_deletion(deps, project_of(request), deletion_id)
        return to_answer(to_view(deletion))

    router.add_api_route(
        "/v1/runs/{run_id}",
        delete_run,
        methods=["DELETE"],
        status_code=202,
        responses={202: {"model": DeletionView}},
        response_model=None,
    )
    router.add_api_route(
        "/v1/deletions/{deletion_id}",
        get_deletion,
        methods=["GET"],
        responses={200: {"model": DeletionView}},
        response_model=None,
    )
    return router


def to_view(deletion: Deletion) -> dict[str, object]:
    """A deletion as callers see it."""
    return {
        "id": deletion.id,
        "state": "done" if deletion.done_ms else "under-way",
        "asked": datetime.fromtimestamp(deletion.asked_ms / 1000, UTC),
        "done": datetime.fromtimestamp(deletion.done_ms / 1000, UTC) if deletion.done_ms else None,
    }
