"""Routes about monitors: what they are, and how they read a raw step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.bodies import JSON_TYPES, check_media, read_body
from service.api.deps import ApiDeps, project_of
from service.api.problems import problem
from service.api.step_route import to_answer
from service.api.views import RAW_STEP_SCHEMA, MonitorDetail, MonitorView, PreviewView
from service.core.catalogue import MonitorEntry
from service.core.raw_steps import StepLimits, parse_steps
from service.errors import RawStepRefused

# A client that always sends arrays may send one of one step here too.
_ONE_STEP = {
    "oneOf": [*RAW_STEP_SCHEMA["oneOf"], {"type": "array", "items": RAW_STEP_SCHEMA, "minItems": 1, "maxItems": 1}]
}
_STEP_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _ONE_STEP}}}}


def build_monitor_router(deps: ApiDeps) -> APIRouter:
    """The routes about monitors. `{monitor_id}` may be `active`."""
    router = APIRouter(prefix="/v1/monitors", tags=["monitors"])

    async def list_monitors() -> Response:
        """The monitors that this service knows, the active one first."""
        return to_answer({"monitors": [_monitor(deps, entry) for entry in deps.catalogue.list()]})

    async def get_monitor(monitor_id: str) -> Response:
        """What a monitor is, what it promises, and three raw steps as it reads them."""
        entry = deps.catalogue.get(monitor_id)
        unit = entry.adapter.spec.event.unit
        adapter = orjson.loads(entry.adapter.spec.to_json())
        shown = {"event_unit": unit, "adapter": adapter, "examples": list(entry.examples)}
        return to_answer({**_monitor(deps, entry), **shown})

    async def preview(monitor_id: str, request: Request) -> Response:
        """How the monitor's adapter reads one raw step, once masked like those to score. Stores and scores nothing."""
        entry = deps.catalogue.get(monitor_id)
        headers = dict(request.scope["headers"])
        unsupported = check_media(headers, JSON_TYPES)
        if unsupported is not None:
            return unsupported
        body = await read_body(headers, request.receive, deps.max_body_bytes)
        raw_steps = parse_steps(body, StepLimits(deps.max_body_bytes), envelope=False, idempotency_key=None)
        if len(raw_steps) != 1:
            return problem(400, "step-refused", "A step cannot be taken", "a preview reads one raw step")
        (raw,) = raw_steps
        if isinstance(raw, RawStepRefused):
            raise raw
        step = deps.redactor.step(project_of(request), raw.step, raw.data)
        view, known = await asyncio.to_thread(entry.adapter.view, step)
        return to_answer({"known": known, "view": view.to_dict()})

    routes: tuple[tuple[str, str, Callable[..., Awaitable[Response]], Any], ...] = (
        ("GET", "", list_monitors, dict[str, list[MonitorView]]),
        ("GET", "/{monitor_id}", get_monitor, MonitorDetail),
        ("POST", "/{monitor_id}/preview", preview, PreviewView),
    )
    for method, path, route, model in routes:
        extra = _STEP_BODY if method == "POST" else None
        answers: dict[int | str, dict[str, Any]] = {200: {"model": model}}
        router.add_api_route(path, route, methods=[method], responses=answers, response_model=None, openapi_extra=extra)
    return router


def _monitor(deps: ApiDeps, entry: MonitorEntry) -> dict[str, Any]:
    return {
        "monitor_id": entry.monitor_id,
        "active": entry.monitor_id == deps.catalogue.active_id,
        "manifest": entry.manifest.summary(),
    }
