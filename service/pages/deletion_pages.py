"""Deleting a run: asked once more, and how far it has come."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from service.api import deletion_acts
from service.api.deletion_routes import to_view
from service.api.deps import ApiDeps, principal_of, project_of
from service.core.ingest import check_run_id
from service.pages.forms import read_form
from service.pages.rendering import Pages
from service.records import RunRef

_GONE = (
    "Its steps, scores, alerts and deliveries go, in Redis and in the archive. They cannot be brought back. It is "
    "ended first, so that no more steps are taken meanwhile."
)
_UNKNOWN = "No run of this name is in Redis now. What the archive has of one is deleted."


def build_deletion_pages(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The pages under `/deletions`."""
    router = pages.router()

    async def ask(request: Request) -> Response:
        said = await read_form(request)
        who, run_id = principal_of(request), said.get("run_id", "")
        check_run_id(run_id)
        if said.get("sure"):
            deletion = await deletion_acts.delete_run(deps, who, run_id)
            return RedirectResponse(f"/deletions/{deletion.id}", 303)
        record = await deps.reader.read_run(RunRef(who.project, run_id))
        return pages.render(
            request,
            "confirm.html",
            title=f"Delete the run {run_id}?",
            told=(_GONE,) if record else (_UNKNOWN, _GONE),
            action="/deletions",
            fields={"run_id": run_id},
            button="Delete the run for good",
            back=f"/runs/{quote(run_id, safe='')}" if record else f"/projects/{who.project}",
        )

    async def show(deletion_id: str, request: Request) -> Response:
        deletion = await deletion_acts.find_deletion(deps, project_of(request), deletion_id)
        return pages.render(request, "deletion.html", deletion=to_view(deletion))

    router.add_api_route("/deletions", ask, methods=["POST"])
    router.add_api_route("/deletions/{deletion_id}", show, methods=["GET"])
    return router
