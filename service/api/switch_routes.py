"""Routes that change which monitors there are, and which ones runs begin with. Each act goes to the audit log."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from monitors.errors import AdapterError, BundleError
from service.api import switch_acts
from service.api.bodies import JSON_TYPES, check_media, read_body
from service.api.deps import ApiDeps, principal_of
from service.api.monitor_views import BUNDLE_BODY, ChosenMonitors, ForAgent, MonitorRegistered, MonitorRemoved
from service.api.problems import problem
from service.api.step_route import to_answer
from service.api.values import MonitorId
from service.core.catalogue import read_entry
from service.core.projects import MonitorChoice
from service.core.raw_steps import parse_json
from service.errors import BundleRefused
from service.records import Registration

ARCHIVE_TYPES = (
    "application/gzip",
    "application/x-gzip",
    "application/x-tar",
    "application/zip",
    "application/octet-stream",
)
_PROJECT = Query(
    "", pattern=r"^([a-z0-9][a-z0-9_-]{0,62})?$", description="The one project that may use it; empty: every project."
)


def build_switch_router(deps: ApiDeps) -> APIRouter:
    """The routes that register, activate, shadow, roll back and remove."""
    router = APIRouter(prefix="/v1/monitors", tags=["monitors"])
    _add_choice_routes(router, deps)
    _add_registry_routes(router, deps)
    return router


def _add_choice_routes(router: APIRouter, deps: ApiDeps) -> None:
    async def activate(monitor_id: MonitorId, request: Request, said: ForAgent | None = None) -> Response:
        """Activate a monitor. The project's new runs, or those of one agent, begin with it, once every live worker has
        loaded, checked and tried it; the answer waits for that up to a minute. Runs that have begun keep theirs.
        """
        agent = said.agent if said else ""
        chosen = await switch_acts.activate(deps, principal_of(request), monitor_id, agent)
        return to_answer(to_chosen_view(deps, chosen))

    async def set_shadow(monitor_id: MonitorId, request: Request) -> Response:
        """Make a monitor the shadow. It scores the project's new runs beside their own: to compare, without alerts."""
        chosen = await switch_acts.set_shadow(deps, principal_of(request), monitor_id)
        return to_answer(to_chosen_view(deps, chosen))

    async def drop_shadow(monitor_id: MonitorId, request: Request) -> Response:
        """Have no shadow. The project's new runs begin without one; runs that have one keep it."""
        chosen = await switch_acts.drop_shadow(deps, principal_of(request), monitor_id)
        return to_answer(to_chosen_view(deps, chosen))

    async def roll_back(request: Request, said: ForAgent | None = None) -> Response:
        """Go back to what was active before. The project's new runs begin with it; those of an agent that is named,
        with the project's monitor again."""
        agent = said.agent if said else ""
        chosen = await switch_acts.roll_back(deps, principal_of(request), agent)
        return to_answer(to_chosen_view(deps, chosen))

    for method, path, route in (
        ("POST", "/rollback", roll_back),
        ("POST", "/{monitor_id}/activate", activate),
        ("POST", "/{monitor_id}/shadow", set_shadow),
        ("DELETE", "/{monitor_id}/shadow", drop_shadow),
    ):
        _add(router, method, path, route, {200: {"model": ChosenMonitors}})


def _add_registry_routes(router: APIRouter, deps: ApiDeps) -> None:
    async def register(request: Request, project: str = _PROJECT) -> Response:
        """Register a bundle. It is uploaded as tar, tar.gz or zip, or named by its folder on the API's machine. Workers
        then load and check it; whether they can, `GET /v1/monitors` says. Registering the same bundle again has them
        try again.
        """
        headers = dict(request.scope["headers"])
        unsupported = check_media(headers, (*JSON_TYPES, *ARCHIVE_TYPES))
        if unsupported is not None:
            return unsupported
        is_path = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().endswith(b"json")
        limit = deps.max_body_bytes if is_path else deps.max_bundle_bytes
        body = await read_body(headers, request.receive, limit)
        try:
            if is_path:
                raw_path = _read_path(body)
                if raw_path is None:
                    return problem(422, "invalid", "The body is wrong", 'send {"path": "/folder/of/a/bundle"}')
                monitor_id, folder = await asyncio.to_thread(deps.bundles.keep, raw_path)
            else:
                monitor_id, folder = await asyncio.to_thread(_keep_upload, deps, body)
            manifest = (await asyncio.to_thread(read_entry, folder)).manifest
        except (BundleError, AdapterError) as error:
            raise BundleRefused(str(error)) from None
        except OSError as error:
            reason = f"{error.filename or deps.bundles.root}: {error.strerror or error}"
            raise BundleRefused(f"the bundle cannot be kept on this machine: {reason}") from None
        known = await deps.register.find(monitor_id)
        await deps.register.put(Registration(monitor_id, str(folder), project, time.time_ns() // 1_000_000))
        await deps.switch.ask_for(monitor_id)
        await deps.audit.note(principal_of(request), "monitor.register", monitor_id, {"project": project})
        answer = {"monitor_id": monitor_id, "name": manifest.name, "created": known is None}
        return to_answer(answer, 200 if known else 201)

    async def remove(monitor_id: MonitorId, request: Request) -> Response:
        """Remove a monitor and its bundle. Not while it is active or a shadow anywhere, live runs are on it, or steps
        wait to be scored. Takes some seconds.
        """
        await deps.switch.remove(monitor_id, deps.bundles.remove)
        await deps.audit.note(principal_of(request), "monitor.remove", monitor_id)
        return to_answer({"monitor_id": monitor_id, "removed": True})

    registered: dict[int | str, dict[str, Any]] = {
        200: {"model": MonitorRegistered},
        201: {"model": MonitorRegistered, "description": "The monitor was not registered before"},
    }
    _add(router, "POST", "", register, registered, {"requestBody": BUNDLE_BODY})
    _add(router, "DELETE", "/{monitor_id}", remove, {200: {"model": MonitorRemoved}})


def _add(
    router: APIRouter,
    method: str,
    path: str,
    route: Callable[..., Awaitable[Response]],
    answers: dict[int | str, dict[str, Any]],
    extra: dict[str, Any] | None = None,
) -> None:
    router.add_api_route(path, route, methods=[method], responses=answers, response_model=None, openapi_extra=extra)


def _read_path(body: bytes) -> Path | None:
    said = parse_json(body)
    raw_path = said.get("path") if isinstance(said, dict) and said.keys() == {"path"} else None
    if not isinstance(raw_path, str) or not 0 < len(raw_path) <= 4096 or "\0" in raw_path:
        return None
    return Path(raw_path) if Path(raw_path).is_absolute() else None


def _keep_upload(deps: ApiDeps, body: bytes) -> tuple[str, Path]:
    with tempfile.TemporaryDirectory(prefix="forewarn-bundle-") as folder:
        deps.unpack(body, Path(folder), deps.max_bundle_bytes)
        return deps.bundles.keep(Path(folder))


def to_chosen_view(deps: ApiDeps, chosen: MonitorChoice) -> dict[str, Any]:
    """What a project has chosen, as `ChosenMonitors`."""
    return {
        "active": chosen.active or deps.catalogue.active_id or None,
        "agents": chosen.agents,
        "shadow": chosen.shadow or None,
        "history": [one or deps.catalogue.active_id for one in chosen.history],
    }
