"""Routes about monitors: what they are, where they are used, and how they read a raw step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from service.api.bodies import JSON_TYPES, check_media, read_body
from service.api.deps import ApiDeps, project_of
from service.api.monitor_views import MonitorDetail, MonitorList, PreviewView
from service.api.problems import problem
from service.api.step_route import to_answer
from service.api.step_views import RAW_STEP_SCHEMA
from service.api.values import MonitorId
from service.core.catalogue import MonitorEntry
from service.core.raw_steps import StepLimits, parse_steps
from service.core.switching import standing_of
from service.errors import RawStepRefused, TransientError
from service.records import Registration, WorkerReport

# A client that always sends arrays may send one of one step here too.
_ONE_STEP = {
    "oneOf": [*RAW_STEP_SCHEMA["oneOf"], {"type": "array", "items": RAW_STEP_SCHEMA, "minItems": 1, "maxItems": 1}]
}
_EXAMPLES = {"step": {"value": {"role": "assistant", "content": "Let me look that up."}}}
_STEP_BODY = {
    "requestBody": {
        "required": True,
        "description": "One raw step as the agent emits it.",
        "content": {"application/json": {"schema": _ONE_STEP, "examples": _EXAMPLES}},
    }
}


def build_monitor_router(deps: ApiDeps) -> APIRouter:
    """The routes about monitors. `{monitor_id}` may be `active`."""
    router = APIRouter(prefix="/v1/monitors", tags=["monitors"])

    async def list_monitors(request: Request) -> Response:
        """List the monitors that the project may use. The active one comes first; each says how far workers are with
        it."""
        project = project_of(request)
        registered, alive = await look(deps)
        shown = [to_monitor_view(deps, entry, project, registered, alive) for entry in deps.catalogue.list(project)]
        return to_answer({"monitors": shown})

    async def get_monitor(monitor_id: MonitorId, request: Request) -> Response:
        """Read what a monitor is. Its promise and figures, how it reads raw steps, and what it came to as a shadow over
        the project's runs."""
        project = project_of(request)
        entry = await deps.catalogue.get(monitor_id, project)
        registered, alive = await look(deps)
        unit = entry.adapter.spec.event.unit
        adapter = orjson.loads(entry.adapter.spec.to_json())
        shown = {"event_unit": unit, "adapter": adapter, "examples": list(entry.examples)}
        counts = await shadow_counts(deps, project, entry.monitor_id)
        view = to_monitor_view(deps, entry, project, registered, alive)
        return to_answer({**view, **shown, "as_shadow": counts})

    async def preview(monitor_id: MonitorId, request: Request) -> Response:
        """Try how a monitor reads a raw step. It is masked like those to score; nothing is stored or scored."""
        entry = await deps.catalogue.get(monitor_id, project_of(request))
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
        step = deps.redactor.step(project_of(request), raw.step)
        view, known = await asyncio.to_thread(entry.adapter.view, step)
        return to_answer({"known": known, "view": view.to_dict()})

    routes: tuple[tuple[str, str, Callable[..., Awaitable[Response]], Any], ...] = (
        ("GET", "", list_monitors, MonitorList),
        ("GET", "/{monitor_id}", get_monitor, MonitorDetail),
        ("POST", "/{monitor_id}/preview", preview, PreviewView),
    )
    for method, path, route, model in routes:
        extra = _STEP_BODY if method == "POST" else None
        answers: dict[int | str, dict[str, Any]] = {200: {"model": model}}
        router.add_api_route(path, route, methods=[method], responses=answers, response_model=None, openapi_extra=extra)
    return router


def to_monitor_view(
    deps: ApiDeps,
    entry: MonitorEntry,
    project: str,
    registered: Mapping[str, Registration] | None,
    alive: Sequence[WorkerReport],
) -> dict[str, Any]:
    """A monitor as `MonitorView`. `registered` is None where Redis does not answer."""
    name = entry.monitor_id
    monitors = deps.catalogue.choose(project)
    registration = (registered or {}).get(name)
    state, reason = standing_of(name, alive) if registered is not None else ("unknown", "")
    return {
        "monitor_id": name,
        "active": name == monitors.monitor_id,
        "agents": sorted(agent for agent, chosen in monitors.by_agent.items() if chosen == name),
        "shadow": name == monitors.shadow_id,
        "is_default": name == deps.catalogue.active_id,
        "state": state,
        "reason": reason or None,
        "registered_ms": registration.registered_ms if registration else None,
        "manifest": entry.manifest.summary(),
    }


async def look(deps: ApiDeps) -> tuple[Mapping[str, Registration] | None, Sequence[WorkerReport]]:
    """What is registered, and the live workers; None and nobody where Redis does not answer: what is known is shown."""
    try:
        return await deps.catalogue.refresh(), await deps.switch.alive()
    except TransientError:
        return None, ()


async def shadow_counts(deps: ApiDeps, project: str, monitor_id: str) -> dict[str, Any] | None:
    """What a monitor came to as a shadow, as `ShadowCounts`; None where it was none, or Redis does not answer."""
    try:
        counts = await deps.register.shadow_counts(project, monitor_id)
    except TransientError:
        return None
    if not counts:
        return None
    compared = counts.pop("compared", 0)
    difference, absolute = counts.pop("difference", 0.0), counts.pop("absolute_difference", 0.0)
    whole = {name: round(counts.get(name, 0)) for name in WHOLE_COUNTS}
    return {
        **whole,
        "mean_difference": difference / compared if compared else None,
        "mean_absolute_difference": absolute / compared if compared else None,
    }


WHOLE_COUNTS = (
    "runs",
    "dropped",
    "steps",
    "alerts",
    "own_alerts",
    "only_shadow_warned",
    "only_own_warned",
    "only_shadow_alerted",
    "only_own_alerted",
    "both_alerted",
)
