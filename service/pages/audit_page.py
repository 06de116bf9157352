"""The page of the audit log: what was done in the project with the rights of an admin."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.api.audit_routes import read_place, to_entry_view
from service.api.deps import ApiDeps, project_of
from service.pages.rendering import Pages

A_PAGE = 50
THINGS = ("key", "project", "webhook", "monitor", "run", "feedback")


def build_audit_page(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The page `/audit`."""
    router = pages.router()

    async def show(
        request: Request,
        after: str | None = None,
        act: str = Query("", max_length=50),
        key_id: str = Query("", max_length=100),
    ) -> Response:
        project, key_id = project_of(request), key_id.strip()
        found = await deps.audit.read(project, A_PAGE, read_place(after), act=act, key_id=key_id)
        chosen = {name: value for name, value in (("act", act), ("key_id", key_id)) if value}
        return pages.render(
            request,
            "audit.html",
            entries=[to_entry_view(one) for one in found],
            names={one.key_id: one.name for one in await deps.keys.list_keys(project)},
            things=THINGS,
            chosen=chosen,
            is_first=after is None,
            first_page="/audit" + (f"?{urlencode(chosen)}" if chosen else ""),
            next_page="/audit?" + urlencode({**chosen, "after": found[-1].entry_id}) if len(found) == A_PAGE else "",
        )

    router.add_api_route("/audit", show, methods=["GET"])
    return router
