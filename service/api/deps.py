"""What the API needs, put together by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Scope

from service.api.otlp_deps import OtlpDeps
from service.api.problems import ProblemRow
from service.core.catalogue import MonitorCatalogue
from service.core.ingest import IngestPipeline
from service.core.live import LiveFeed, StreamGate
from service.core.live_runs import LiveRuns
from service.core.moving import Moving
from service.core.privacy.keeping import PrivacyRules
from service.core.privacy.redaction import Redactor
from service.core.projects import ProjectBook
from service.core.quality.keeper import QualityKeeper
from service.core.readiness import Check
from service.core.run_steps import RunSteps
from service.core.switching import MonitorSwitch
from service.core.tenants.access import Principal
from service.core.tenants.audit import AuditLog
from service.core.tenants.authentication import Authenticator
from service.core.tenants.keys import KeyRegistry
from service.core.tenants.rate import RateLimiter
from service.core.tenants.tenancy import ProjectRegistry
from service.errors import ServiceError
from service.ports import (
    Acknowledger,
    BundleStore,
    DeletionLog,
    LiveRunCounter,
    MonitorRegister,
    RunReader,
    ScoreBoard,
    StepLog,
)
from service.telemetry import IngestMetrics


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """The API's surroundings. `checks` says how ready the service is; `metrics_text` renders /metrics."""

    authenticator: Authenticator
    pipeline: IngestPipeline
    log: StepLog
    reader: RunReader
    board: ScoreBoard
    acknowledger: Acknowledger
    catalogue: MonitorCatalogue
    metrics: IngestMetrics
    metrics_text: Callable[[], Awaitable[bytes]]
    checks: Callable[[], Awaitable[Sequence[Check]]]
    max_body_bytes: int
    live: LiveFeed
    live_runs: LiveRuns
    live_counter: LiveRunCounter
    gate: StreamGate
    book: ProjectBook
    register: MonitorRegister
    switch: MonitorSwitch
    bundles: BundleStore
    unpack: Callable[[bytes, Path, int], None]
    """Writes a packed bundle's files into an empty folder, at most so many bytes. Raises BundleError."""
    max_bundle_bytes: int
    audit: AuditLog
    redactor: Redactor
    privacy: PrivacyRules
    deletions: DeletionLog
    rate: RateLimiter
    keys: KeyRegistry
    projects: ProjectRegistry
    otlp: OtlpDeps
    quality: QualityKeeper
    steps: RunSteps
    moving: Moving
    routers: Sequence[APIRouter] = ()
    problems: Sequence[ProblemRow] = ()
    """How errors of `routers` are told."""
    to_refusal: Callable[[Scope, ServiceError], Response | None] = lambda _, __: None
    """The answer to a request that may not ask; None: a problem document."""


@dataclass(frozen=True, slots=True)
class HealthDeps:
    """What the routes for operators need: the text of /metrics, and how ready the process's part of the service is."""

    metrics_text: Callable[[], Awaitable[bytes]]
    checks: Callable[[], Awaitable[Sequence[Check]]]


def principal_of(request: Request) -> Principal:
    """Who asks, as the guard found, with the address that asks."""
    principal: Principal = request.state.principal
    return replace(principal, origin=request.client.host if request.client else "")


def project_of(request: Request) -> str:
    """The caller's project: what its key says, whatever the request says."""
    principal: Principal = request.state.principal
    return principal.project
