"""The route that shows what admins did."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.api.deps import ApiDeps, project_of
from service.api.step_route import to_answer
from service.errors import NameRefused
from service.records import AuditEntry

_PLACE = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)
_LIMIT = Query(50, ge=1, le=500, description="So many acts at most.")
_AFTER = Query(None, max_length=100, description="`next` of the page before.")
_ACT = Query("", max_length=50, description="Only these acts: `key.create`, or `key` for all on keys.")
_KEY = Query("", max_length=100, description="Only what was done with the key of this public name, or by `operator`.")


class AuditEntryView(BaseModel):
    """An act."""

    id: str = Field(description="Its place in the log.")
    at_ms: int = Field(description="When (ms since 1970).")
    key_id: str = Field(description="Who: a key's public name, `operator`, `command`; empty where no key was needed.")
    origin: str = Field(description="The address that asked; the proxy's where there is one.")
    act: str = Field(description="What was done, as `thing.verb`: `key.create`, `monitor.activate`.")
    target: str = Field(description="To what, by its id.")
    detail: dict[str, Any] = Field(description="What else is known of it; never a secret.")


class AuditPage(BaseModel):
    """Acts in the project, newest first."""

    entries: list[AuditEntryView] = Field(description="The acts of this page.")
    next: str | None = Field(description="Give it as `?after=` for the next page; null on the last.")


def build_audit_router(deps: ApiDeps) -> APIRouter:
    """The route over the project's audit log."""
    router = APIRouter(tags=["audit"])

    async def list_entries(
        request: Request, limit: int = _LIMIT, after: str | None = _AFTER, act: str = _ACT, key_id: str = _KEY
    ) -> Response:
        """List what was done with the rights of an admin, newest first. The newest 10,000 acts are kept."""
        found = await deps.audit.read(project_of(request), limit, read_place(after), act=act, key_id=key_id)
        following = found[-1].entry_id if len(found) == limit else None
        return to_answer({"entries": [to_entry_view(one) for one in found], "next": following})

    answers: dict[int | str, dict[str, Any]] = {200: {"model": AuditPage}}
    router.add_api_route("/v1/audit", list_entries, methods=["GET"], responses=answers, response_model=None)
    return router


def read_place(raw_place: str | None) -> str:
    """The place that a page's `next` names; "" for the newest. Raises NameRefused."""
    if raw_place is not None and not _PLACE.fullmatch(raw_place):
        raise NameRefused("after", "this is no place in a listing: give `next` of the page before")
    return raw_place or ""


def to_entry_view(entry: AuditEntry) -> dict[str, Any]:
    """An act as callers see it."""
    return {
        "id": entry.entry_id,
        "at_ms": entry.at_ms,
        "key_id": entry.key_id,
        "origin": entry.origin,
        "act": entry.act,
        "target": entry.target,
        "detail": entry.detail,
    }
