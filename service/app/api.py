"""An API process: puts the application together over Redis and serves it until told to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from service.alerts.acts import WebhookActs, WebhookDeps
from service.alerts.errors import FormatIncomplete, TargetRefused, TooManyWebhooks, WebhookDisabled
from service.alerts.flagging import FlagTelling
from service.alerts.registry import WebhookRegistry
from service.alerts.routes import build_router as build_webhook_router
from service.alerts.sending import Sender
from service.alerts.store import DeliveryStore
from service.alerts.targets import TargetGuard
from service.api.application import create_app
from service.api.deps import ApiDeps, principal_of
from service.api.front import LOOPBACK_HOSTS
from service.api.otlp_deps import OtlpDeps
from service.api.problems import ProblemRow
from service.app.binding import (
    LOOPBACK,
    Binding,
    check_access,
    choose_binding,
    read_when_up,
    tell_binding,
    until_first_key,
)
from service.app.explaining import build_moving
from service.app.looking import build_state_gauges
from service.app.quality_gauges import quality_gauges
from service.app.serving import build_server, serve_until
from service.app.starting import keep_what_is_loaded, privacy_rules, settle_when_up
from service.app.tenants import forget_project
from service.app.version import version_of_service
from service.archive.reading import ArchiveReader
from service.core.catalogue import MonitorCatalogue, read_entry
from service.core.ingest import build_pipeline
from service.core.live import LiveFeed, StreamGate
from service.core.live_runs import LiveRuns
from service.core.privacy.redaction import ProjectRedactor
from service.core.projects import ProjectBook, RateLimits
from service.core.quality.keeper import QualityKeeper
from service.core.raw_steps import StepLimits
from service.core.readiness import Check, check_backlog, check_chosen, check_monitor, check_own_workers, check_workers
from service.core.run_steps import RunSteps
from service.core.switching import MonitorSwitch
from service.core.tenants.audit import AuditLog
from service.core.tenants.authentication import Authenticator, KeyBook
from service.core.tenants.keys import KeyRegistry
from service.core.tenants.rate import RateLimiter
from service.core.tenants.tenancy import ProjectRegistry
from service.errors import RedisUnfit, TransientError
from service.otlp.metrics import OtlpMetrics
from service.otlp.outcomes import OutcomeRule
from service.otlp.reading import Reading
from service.pages.all_pages import build_all_pages
from service.pages.rendering import Pages
from service.redis_log.access_keys import RedisKeyStore
from service.redis_log.acknowledging import RedisAcknowledger
from service.redis_log.audit import RedisAuditStore
from service.redis_log.board import RedisScoreBoard
from service.redis_log.checks import check_redis
from service.redis_log.connection import RedisClient, build_client
from service.redis_log.deleting import RedisDeletionLog
from service.redis_log.feed import RedisUpdateFeed
from service.redis_log.fleet import RedisFleet
from service.redis_log.ingest import AppendLimits, RedisStepLog
from service.redis_log.keys import KeySpace
from service.redis_log.monitors import RedisMonitorRegister
from service.redis_log.parking import RedisParking
from service.redis_log.pressure import Pressure
from service.redis_log.projects import RedisProjectStore
from service.redis_log.quality import RedisQualityStore
from service.redis_log.runs import RedisRunReader
from service.redis_log.tokens import RedisTokenStore
from service.redis_log.traces import RedisTraceRuns
from service.redis_log.waiting_steps import RedisWaitingSteps
from service.registry.folders import BundleFolders
from service.registry.unpacking import unpack_bundle
from service.settings import Settings
from service.telemetry import IngestMetrics, backlog_gauge, parked_gauge, render_metrics

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
WEBHOOK_PROBLEMS: tuple[ProblemRow, ...] = (
    (TargetRefused, 422, "target-refused", "Webhooks may not reach this target"),
    (TooManyWebhooks, 409, "too-many-webhooks", "The project has as many webhooks as it may have"),
    (FormatIncomplete, 422, "format-incomplete", "The webhook's format needs more"),
    (WebhookDisabled, 409, "webhook-disabled", "Nothing is sent to this webhook"),
)


async def run_api(settings: Settings, redis_url: str, stop: asyncio.Event) -> None:
    """Serve until `stop`: then finish what is under way, and take no more."""
    client = build_client(redis_url, connections=256, wait_replicas=settings.wait_replicas)
    try:
        partitions = await settle_when_up(client, settings, stop)
        if partitions is None:
            return
        keys = KeyBook(RedisKeyStore(client))
        await read_when_up(keys, stop)
        binding = choose_binding(settings, keys_exist=keys.exists)
        deps, board, pressure = build_deps(settings, client, partitions, build_access(settings, keys, binding))
        tell_binding(binding, settings, key_needed=deps.authenticator.required)
        app = create_app(deps, version=version_of_service(), allowed_hosts=LOOPBACK_HOSTS)
        keep_what_is_loaded()
        await deps.book.refresh()
        background = [asyncio.create_task(one.run(stop)) for one in (pressure, deps.book, deps.quality, keys)]
        leave = asyncio.Event()
        background.append(asyncio.create_task(until_first_key(keys, binding, stop, leave)))
        try:
            await serve_until(build_server(app, binding.host, settings), leave, deps.gate.close)
        finally:
            for task in background:
                task.cancel()
            await deps.live_runs.close()
            await deps.live.close()
            await board.close()
    finally:
        await client.aclose()


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask, and at which address."""

    authenticator: Authenticator
    binding: Binding


def build_access(settings: Settings, keys: KeyBook, binding: Binding) -> Access:
    """The guard of a service that listens there."""
    operator_key = None if settings.api_key is None else settings.api_key.get_secret_value()
    return Access(Authenticator(operator_key, keys, closed=binding.is_outside), binding)


def build_deps(
    settings: Settings, client: RedisClient, partitions: int, access: Access | None = None
) -> tuple[ApiDeps, RedisScoreBoard, Pressure]:
    """The API's surroundings over one Redis client; the board, which must be closed in the end; and the pressure, to
    be sampled meanwhile. `access`: as the settings say on loopback, where it is not given."""
    keys = KeySpace(partitions)
    registry = CollectorRegistry()
    reader = RedisRunReader(client, keys)
    board = RedisScoreBoard(client, keys, reader)
    pressure = Pressure(client, keys)
    limits_of_log = AppendLimits(settings.max_steps_per_run, settings.max_backlog, settings.max_live_runs)
    step_log = RedisStepLog(client, keys, limits_of_log, pressure)
    project_store = RedisProjectStore(client)
    book = ProjectBook(project_store)
    register, bundles = RedisMonitorRegister(client, keys), BundleFolders(settings.monitors_folder)
    catalogue = MonitorCatalogue(book, register, bundles.find)
    if settings.bundle is not None:
        catalogue.put(read_entry(settings.bundle), active=True)
    if access is None:
        access = build_access(settings, KeyBook(RedisKeyStore(client)), Binding(LOOPBACK))
    authenticator, binding = access.authenticator, access.binding
    limits = StepLimits(settings.max_body_bytes, settings.max_step_bytes, settings.max_depth)
    metrics = IngestMetrics(registry)
    rules = privacy_rules(settings, book)
    redactor = ProjectRedactor(rules, metrics.overruns.inc)
    own_limits = RateLimits(steps_per_s=settings.limit_steps_per_s, burst_steps=settings.limit_burst_steps)
    rate = RateLimiter(
        book,
        RedisTokenStore(client),
        own_limits,
        lambda project, steps: metrics.limited.labels(project).inc(steps),
        taken=metrics.tokens.inc,
    )
    guard = TargetGuard(settings.allowed_targets)
    audits, targets = RedisAuditStore(client), WebhookRegistry(client, guard)
    audit = AuditLog(audits)
    webhooks = WebhookActs(
        WebhookDeps(
            targets,
            DeliveryStore(client),
            Sender(guard),
            partitions,
            audit,
            redactor,
            int(settings.webhook_grace_hours * HOUR_MS),
        )
    )

    otlp = OtlpDeps(
        RedisTraceRuns(client, int(settings.run_idle_hours * HOUR_MS)),
        Reading(settings.run_names, only_agents=settings.otlp_spans == "agents"),
        OutcomeRule(settings.otlp_outcome, settings.otlp_outcome_name),
        OtlpMetrics(registry),
    )
    parking = RedisParking(client, keys)
    quality = QualityKeeper(
        (store := RedisQualityStore(client, keys, reader)),
        catalogue.find_manifest,
        settings.drift_level,
        prepare=catalogue.refresh,
        tell=FlagTelling(DeliveryStore(client), settings.public_url),
    )

    async def metrics_text() -> bytes:
        told = [*await read_gauges(reader, parking), *await read_quality(quality), *await state.families()]
        return render_metrics(registry, told)

    async def checks() -> Sequence[Check]:
        active, chosen = catalogue.active_id, catalogue.chosen_ids()
        known = await check_all(settings, client, reader, partitions, lambda: active, chosen=chosen)
        return [*known, check_access(binding, settings, key_needed=authenticator.required)]

    live = LiveFeed(RedisUpdateFeed(client, keys), board, reader)
    state = build_state_gauges(settings, client, keys, checks, targets, book.names)
    key_registry = KeyRegistry(RedisKeyStore(client))

    deps = ApiDeps(
        authenticator=authenticator,
        pipeline=build_pipeline(limits, rate, redactor, step_log, catalogue.choose),
        log=step_log,
        reader=reader,
        board=board,
        acknowledger=RedisAcknowledger(client, keys),
        catalogue=catalogue,
        metrics=metrics,
        metrics_text=metrics_text,
        checks=checks,
        max_body_bytes=settings.max_body_bytes,
        live=live,
        live_runs=LiveRuns(live, reader),
        live_counter=RedisFleet(client, keys, reader),
        gate=StreamGate(settings.max_streams),
        book=book,
        register=register,
        switch=MonitorSwitch(register, book, catalogue, reader.worker_reports, 2 * settings.lease_ms),
        bundles=bundles,
        unpack=unpack_bundle,
        max_bundle_bytes=settings.max_bundle_bytes,
        audit=audit,
        redactor=redactor,
        privacy=rules,
        deletions=RedisDeletionLog(client, keys),
        rate=rate,
        keys=key_registry,
        projects=ProjectRegistry(
            book, project_store, key_registry, reader, lambda project: forget_project(project, targets, audits, store)
        ),
        quality=quality,
        steps=RunSteps(
            reader,
            RedisWaitingSteps(client, keys),
            None if settings.archive_folder is None else ArchiveReader(settings.archive_folder),
            rules.keeps_content,
        ),
        moving=build_moving(settings, catalogue, bundles, register),
        routers=(build_webhook_router(webhooks, principal_of),),
        problems=WEBHOOK_PROBLEMS,
        otlp=otlp,
    )
    return with_pages(deps, webhooks), board, pressure


def with_pages(deps: ApiDeps, webhooks: WebhookActs) -> ApiDeps:
    """The same with the web page."""
    pages = Pages(deps)
    return replace(deps, routers=(*deps.routers, *build_all_pages(deps, webhooks, pages)), to_refusal=pages.to_refusal)


async def read_gauges(reader: RedisRunReader, parking: RedisParking) -> list[GaugeMetricFamily]:
    """What /metrics says of Redis itself; nothing while it does not answer."""
    try:
        return [backlog_gauge(await reader.backlog()), parked_gauge(await parking.counts())]
    except TransientError:
        return []


async def read_quality(quality: QualityKeeper) -> list[GaugeMetricFamily]:
    """What /metrics says of monitors' quality; nothing while Redis does not answer."""
    try:
        return quality_gauges(await quality.reports())
    except TransientError:
        return []


async def check_all(
    settings: Settings,
    client: RedisClient,
    reader: RedisRunReader,
    partitions: int,
    active_id: Callable[[], str],
    own: Sequence[str] = (),
    chosen: Collection[str] = (),
) -> list[Check]:
    """Every check of readiness, Redis first: nothing else can be known without it. `own`: the names of the workers to
    ask about, where not the whole service's."""
    try:
        fitness = await check_redis(client)
        reports = await reader.worker_reports()
        backlog = await reader.backlog()
    except (TransientError, RedisUnfit) as error:
        return [Check("redis", False, str(error)), check_monitor(active_id(), chosen)]
    now_ms, gone_ms = time.time_ns() // 1_000_000, 2 * settings.lease_ms
    durable = fitness.persistence == "appendfsync always"
    masters = f" on {fitness.masters} masters" if fitness.masters > 1 else ""
    memory = f"{fitness.used_bytes} bytes used of {fitness.maxmemory_bytes or 'no set limit'}"
    return [
        Check("redis", True, f"version {fitness.version}{masters}, {memory}"),
        Check("persistence", durable, fitness.persistence, warning=not durable),
        Check("eviction", fitness.eviction == "noeviction", f"maxmemory-policy {fitness.eviction}", warning=True),
        check_monitor(active_id(), chosen),
        check_own_workers(reports, own, active_id(), now_ms, gone_ms)
        if own
        else check_workers(reports, partitions, active_id(), now_ms, gone_ms),
        *([check_chosen(reports, chosen, now_ms, gone_ms)] if chosen else []),
        check_backlog(backlog, settings.max_backlog),
    ]
