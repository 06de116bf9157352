"""Routes for operators: alive, ready, metrics."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.responses import Response

from service.api.deps import ApiDeps, HealthDeps


class AliveView(BaseModel):
    """The process runs."""

    status: Literal["alive"] = Field(description="Always this.")


class CheckView(BaseModel):
    """One thing that was looked at."""

    name: str = Field(description="What was looked at.")
    status: Literal["ok", "warning", "failing"] = Field(description="A warning does not make the service unready.")
    detail: str = Field(description="What was seen.")


class ReadinessView(BaseModel):
    """Whether the service can do its work."""

    status: Literal["ready", "not ready"] = Field(description="`not ready` where any check fails.")
    checks: list[CheckView] | None = Field(None, description="What is not ok; with `verbose` every check.")


_METRICS_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus's text format", "content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}}
}


def build_health_router(deps: ApiDeps | HealthDeps) -> APIRouter:
    """The routes for operators; none needs a key, and none tells anything of a run."""
    router = APIRouter(tags=["operations"])

    async def livez() -> Response:
        """Say whether this process runs at all."""
        return Response(b'{"status":"alive"}', media_type="application/json")

    async def readyz(
        verbose: str | None = Query(None, description="Give it, with any value or none, to see every check."),
    ) -> Response:
        """Say whether the service can do its work. 200 or 503."""
        checks = await deps.checks()
        ready = all(check.ok or check.warning for check in checks)
        document: dict[str, Any] = {"status": "ready" if ready else "not ready"}
        shown = checks if verbose is not None else [check for check in checks if not check.ok]
        if shown:
            document["checks"] = [
                {
                    "name": check.name,
                    "status": "ok" if check.ok else "warning" if check.warning else "failing",
                    "detail": check.detail,
                }
                for check in shown
            ]
        headers = {} if ready else {"Retry-After": "1"}
        return Response(orjson.dumps(document), 200 if ready else 503, headers, "application/json")

    async def metrics() -> Response:
        """Read the metrics of all this service's processes."""
        return Response(await deps.metrics_text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    alive: dict[int | str, dict[str, Any]] = {200: {"model": AliveView}}
    ready_or_not: dict[int | str, dict[str, Any]] = {
        200: {"model": ReadinessView},
        503: {"model": ReadinessView, "description": "A check fails; `Retry-After` says when to ask again"},
    }
    router.add_api_route("/livez", livez, methods=["GET"], responses=alive, response_model=None)
    router.add_api_route("/readyz", readyz, methods=["GET"], responses=ready_or_not, response_model=None)
    router.add_api_route(
        "/metrics", metrics, methods=["GET"], response_model=None, response_class=Response, responses=_METRICS_ANSWER
    )
    return router
