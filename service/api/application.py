"""The web application: an explicit list of routers behind one guard."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from service.api.audit_routes import build_audit_router
from service.api.deletion_routes import build_deletion_router
from service.api.deps import ApiDeps, HealthDeps
from service.api.document import DocumentedApp
from service.api.event_routes import build_event_router
from service.api.front import Front
from service.api.health_routes import build_health_router
from service.api.ingest_routes import build_ingest_router
from service.api.key_routes import build_key_router
from service.api.live_run_routes import build_live_run_router
from service.api.monitor_routes import build_monitor_router
from service.api.otlp_routes import build_otlp_router
from service.api.privacy_routes import build_privacy_router
from service.api.problems import install_handlers
from service.api.project_routes import build_project_router
from service.api.quality_routes import build_quality_router
from service.api.read_routes import build_alert_router, build_run_router
from service.api.run_steps_routes import build_run_steps_router
from service.api.step_route import StepEndpoint
from service.api.switch_routes import build_switch_router
from service.core.tenants.authentication import Authenticator


def create_app(deps: ApiDeps, *, version: str, allowed_hosts: Collection[str] | None = None) -> FastAPI:
    """The application. `allowed_hosts` limits whom it answers; None, behind an API key, answers all."""
    front = Middleware(
        Front,
        authenticator=deps.authenticator,
        steps=StepEndpoint(deps),
        allowed_hosts=allowed_hosts,
        refused=lambda name: deps.metrics.unentitled.labels(name).inc(),
        to_refusal=deps.to_refusal,
    )
    # Completed by the document: with it there the framework adds nothing of its own.
    problems: dict[int | str, dict[str, Any]] = {"default": {"description": "A problem document (RFC 9457)"}}
    app = DocumentedApp(
        title="forewarn",
        version=version,
        description="Watches LLM agents while they run and warns before they fail.",
        middleware=[front],
        responses=problems,
        # The pages that FastAPI offers load scripts from elsewhere; the document itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.problem_rows = deps.problems
    install_handlers(app, deps.problems)
    for router in (
        build_ingest_router(deps),
        build_run_router(deps),
        build_run_steps_router(deps),
        build_event_router(deps),
        build_live_run_router(deps),
        build_alert_router(deps),
        build_monitor_router(deps),
        build_privacy_router(deps),
        build_deletion_router(deps),
        build_key_router(deps),
        build_project_router(deps),
        build_switch_router(deps),
        build_quality_router(deps),
        build_audit_router(deps),
        build_otlp_router(deps),
        *deps.routers,
        build_health_router(deps),
    ):
        app.include_router(router)
    return app


def create_health_app(deps: HealthDeps, *, version: str, allowed_hosts: Collection[str] | None = None) -> FastAPI:
    """An application with the routes for operators alone, for a process that has no other."""
    app = FastAPI(
        title="forewarn worker",
        version=version,
        # Nothing here is behind a key.
        middleware=[Middleware(Front, authenticator=Authenticator(None), steps=None, allowed_hosts=allowed_hosts)],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    install_handlers(app)
    app.include_router(build_health_router(deps))
    return app
