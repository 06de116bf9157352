"""The page of API keys: made, rotated and revoked; a token is shown once, in the answer that made it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from service.api import key_acts
from service.api.deps import ApiDeps, principal_of, project_of
from service.api.key_routes import NewKey, to_key_view
from service.core.tenants.keys import GRACE_S
from service.errors import ServiceError
from service.pages.forms import read_form
from service.pages.rendering import Pages

_DONE = {"revoked": "The key is revoked: nobody gets in with it any more, within about a second."}


def build_key_pages(deps: ApiDeps, pages: Pages) -> APIRouter:
    """The page `/keys` and its acts; for operators `/projects/{project}/keys` too."""
    router = pages.router()

    async def project_in(request: Request) -> str:
        named = request.path_params.get("project")
        if named is None:
            return project_of(request)
        await deps.projects.settings(named)
        return str(named)

    def base_of(request: Request) -> str:
        named = request.path_params.get("project")
        return "/keys" if named is None else f"/projects/{named}/keys"

    async def show(
        request: Request,
        status: int = 200,
        *,
        token: str = "",
        made: str = "",
        faults: dict[str, str] | None = None,
        said: dict[str, str] | None = None,
        done: str = "",
    ) -> Response:
        used = await deps.keys.last_used_ms()
        project = await project_in(request)
        found = await deps.keys.list_keys(project)
        answer = pages.render(
            request,
            "keys.html",
            status,
            keys=[to_key_view(one, used.get(one.key_id, 0)) for one in found],
            token=token,
            made=made,
            faults=faults or {},
            said=said or {},
            done=done,
            grace_hours=GRACE_S / 3600,
            whose=project,
            base=base_of(request),
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def show_list(request: Request, done: str = "") -> Response:
        return await show(request, done=_DONE.get(done, ""))

    async def make(request: Request) -> Response:
        said = await read_form(request)
        try:
            body = NewKey.model_validate(_to_body(said))
        except ValidationError as error:
            faults = {str(one["loc"][0]): one["msg"] for one in error.errors()}
            return await show(request, 422, faults=faults, said=said)
        who, project = principal_of(request), await project_in(request)
        try:
            record, token = await key_acts.make_key(deps, who, project, body.kind, body.name, body.expires_in_days)
        except ServiceError as error:
            return pages.as_refusal(await show(request, faults={"": str(error)}, said=said), error)
        return await show(request, 201, token=token, made=record.key_id)

    async def rotate(key_id: str, request: Request) -> Response:
        project = await project_in(request)
        record, token = await key_acts.rotate_key(deps, principal_of(request), project, key_id, GRACE_S)
        return await show(request, token=token, made=record.key_id)

    async def revoke(key_id: str, request: Request) -> Response:
        await key_acts.revoke_key(deps, principal_of(request), await project_in(request), key_id)
        return RedirectResponse(f"{base_of(request)}?done=revoked", 303)

    for base in ("/keys", "/projects/{project}/keys"):
        router.add_api_route(base, show_list, methods=["GET"])
        router.add_api_route(base, make, methods=["POST"])
        router.add_api_route(f"{base}/{{key_id}}/rotate", rotate, methods=["POST"])
        router.add_api_route(f"{base}/{{key_id}}/revoke", revoke, methods=["POST"])
    return router


def _to_body(said: dict[str, str]) -> dict[str, Any]:
    """A form's texts as the API's body has them: a number where one is meant, and nothing where nothing was typed."""
    days: Any = said.get("expires_in_days", "")
    with suppress(ValueError):
        days = float(days) if days else None
    return {"kind": said.get("kind", ""), "name": said.get("name", ""), "expires_in_days": days}
