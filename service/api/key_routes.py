"""Routes over API keys: of the caller's own project, and for the operator of any."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from service.api import key_acts
from service.api.deps import ApiDeps, principal_of, project_of
from service.api.step_route import to_answer
from service.api.values import KeyId
from service.core.tenants.keys import GRACE_S, LONGEST_GRACE_S, MAX_NAME_CHARS, KeyRecord, KeyState, now_ms
from service.records import JsonObject

_GRACE = Query(
    GRACE_S, ge=0, le=LONGEST_GRACE_S, allow_inf_nan=False, description="Seconds for which the token before stays good."
)


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "ingest", "name": "support agent", "expires_in_days": 90}]},
    )

    kind: Literal["ingest", "read", "admin"] = Field(
        description="`ingest` sends steps and outcomes, `read` looks, `admin` does everything in the project."
    )
    name: str = Field("", max_length=MAX_NAME_CHARS, description="What to call it in listings.")
    expires_in_days: float | None = Field(
        None, strict=True, gt=0, le=3660, description="Without it the key is good until revoked."
    )


class KeyView(BaseModel):
    """A key, without its secret."""

    id: str = Field(description="Its public name: what its token begins with.")
    kind: str = Field(description="`ingest`, `read` or `admin`.")
    name: str = Field(description="What it is called.")
    state: KeyState = Field(description="`active`, `expired` or `revoked`.")
    created_ms: int = Field(description="When it was made (ms since 1970).")
    expires_ms: int | None = Field(description="When it runs out (ms since 1970); null: never.")
    last_used_ms: int | None = Field(description="To some minutes.")
    rotated_ms: int | None = Field(description="When it last had a new token (ms since 1970); null: never.")
    old_token_until_ms: int | None = Field(description="Until when the token before the last rotation is good.")
    revoked_ms: int | None = Field(description="When it was revoked (ms since 1970); null: it was not.")


class KeyShown(KeyView):
    """A key whose token is new."""

    token: str = Field(description="To be sent as `Authorization: Bearer <token>`. Shown this once.")


class KeyList(BaseModel):
    """The project's keys, oldest first."""

    keys: list[KeyView] = Field(description="The keys.")


def build_key_router(deps: ApiDeps) -> APIRouter:
    """The routes under `/v1/keys`, and under `/v1/projects/{project}/keys` for the operator."""
    router = APIRouter(tags=["keys"])

    async def project_in(request: Request) -> str:
        """The project of the address, where it has one; else the caller's own."""
        named = request.path_params.get("project")
        if named is None:
            return project_of(request)
        await deps.projects.settings(named)
        return str(named)

    async def create_key(request: Request, body: NewKey) -> Response:
        """Make a key. The answer holds its token, this once; only a hash of it is kept."""
        project = await project_in(request)
        record, token = await key_acts.make_key(
            deps, principal_of(request), project, body.kind, body.name, body.expires_in_days
        )
        return to_answer({**to_key_view(record, 0), "token": token}, 201)

    async def list_keys(request: Request) -> Response:
        """List the project's keys, without secrets. Those that ran out or were revoked stay for 90 days."""
        used = await deps.keys.last_used_ms()
        found = await deps.keys.list_keys(await project_in(request))
        return to_answer({"keys": [to_key_view(one, used.get(one.key_id, 0)) for one in found]})

    async def get_key(key_id: KeyId, request: Request) -> Response:
        """Read one key, without its secret."""
        record = await deps.keys.get(await project_in(request), key_id)
        return to_answer(to_key_view(record, (await deps.keys.last_used_ms()).get(key_id, 0)))

    async def rotate_key(key_id: KeyId, request: Request, grace_s: float = _GRACE) -> Response:
        """Give a key a new token, shown this once. The one before stays good for `grace_s`."""
        project = await project_in(request)
        record, token = await key_acts.rotate_key(deps, principal_of(request), project, key_id, grace_s)
        return to_answer({**to_key_view(record, 0), "token": token})

    async def revoke_key(key_id: KeyId, request: Request) -> Response:
        """Revoke a key for good. Within about a second no process takes it any more, and its open event streams end."""
        project = await project_in(request)
        await key_acts.revoke_key(deps, principal_of(request), project, key_id)
        return Response(status_code=204)

    routes: tuple[tuple[str, str, Callable[..., Awaitable[Response]], int, Any], ...] = (
        ("POST", "", create_key, 201, KeyShown),
        ("GET", "", list_keys, 200, KeyList),
        ("GET", "/{key_id}", get_key, 200, KeyView),
        ("POST", "/{key_id}/rotate", rotate_key, 200, KeyShown),
        ("DELETE", "/{key_id}", revoke_key, 204, None),
    )
    for prefix, suffix in (("/v1/keys", ""), ("/v1/projects/{project}/keys", "_of_project")):
        for method, path, route, status, model in routes:
            router.add_api_route(
                prefix + path,
                route,
                methods=[method],
                status_code=status,
                responses={status: {"model": model} if model else {"description": "Done"}},
                response_model=None,
                name=route.__name__ + suffix,
                openapi_extra=_NAMED if suffix else None,
            )
    return router


_NAMED = {
    "parameters": [
        {
            "name": "project",
            "in": "path",
            "required": True,
            "description": "The project's name.",
            "schema": {"type": "string"},
        }
    ]
}


def to_key_view(record: KeyRecord, used_ms: int) -> JsonObject:
    """A key as callers see it."""
    now = now_ms()
    return {
        "id": record.key_id,
        "kind": record.kind,
        "name": record.name,
        "state": record.state(now),
        "created_ms": record.created_ms,
        "expires_ms": record.expires_ms or None,
        "last_used_ms": used_ms or None,
        "rotated_ms": record.rotated_ms or None,
        "old_token_until_ms": record.old_until_ms if record.old_until_ms > now else None,
        "revoked_ms": record.revoked_ms or None,
    }
