"""A worker process: loads the monitor, keeps leases, scores, delivers alerts; drains on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

from prometheus_client import CollectorRegistry

from monitors.errors import RunStateError
from monitors.run_state import RunState
from service.alerts.delivery import DeliveryLoop
from service.alerts.metrics import DeliveryMetrics
from service.alerts.policy import DeliveryPolicy
from service.alerts.store import DeliveryStore
from service.app.shelving import folder_finder, shelve_bundle
from service.app.starting import keep_what_is_loaded, privacy_rules, settle_when_up
from service.app.version import version_of_service
from service.archive.files import FileArchive
from service.core.alerting import Alerting
from service.core.feedback import is_control
from service.core.privacy.keeping import PrivacyRules
from service.core.projects import ProjectBook
from service.core.scoring import RunMemory
from service.core.shadowing import ShadowMemory
from service.errors import TransientError
from service.otlp.exporting import EvaluationExporter, ExportMetrics
from service.ports import LiveMonitor, MonitorRegister, PartitionLog, StepArchive
from service.records import RunProgress, RunRef
from service.redis_log.connection import RedisClient, build_client
from service.redis_log.deleting import RedisDeletionLog
from service.redis_log.endings import RedisEndingLog
from service.redis_log.keys import KeySpace
from service.redis_log.monitors import RedisMonitorRegister
from service.redis_log.partitions import RedisPartitionLog
from service.redis_log.projects import RedisProjectStore
from service.redis_log.runs import RedisRunReader
from service.registry.folders import BundleFolders
from service.settings import Settings
from service.telemetry import WorkerMetrics
from service.worker.archiving import Archiver
from service.worker.deleting import Deleter
from service.worker.ending import EndingArchiver
from service.worker.leases import LeaseKeeper
from service.worker.loop import ScoringLoop
from service.worker.shelf import LoadedMonitors, ReadMonitor
from service.worker.stocking import Stocking

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 60.0
# So many looks at a partition each time, at some runs each.
SWEEPS = 8
TIDY_EVERY_S = 0.5
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def read_monitor(folder: Path, device: str) -> LiveMonitor:
    """The monitor in a bundle folder, compiled and run once."""
    from monitors import Monitor

    monitor = Monitor.read(folder, device=device)
    monitor.warm()
    return monitor


async def run_worker(settings: Settings, redis_url: str, read: ReadMonitor, stop: asyncio.Event) -> None:
    """Work until `stop`, then drain. Returns when everything scored is committed and every lease released."""
    client = build_client(redis_url, wait_replicas=settings.wait_replicas)
    try:
        partitions = await settle_when_up(client, settings, stop)
        if partitions is None:
            return
        register, folders = RedisMonitorRegister(client, KeySpace(partitions)), BundleFolders(settings.monitors_folder)
        shelf = LoadedMonitors(read, folder_finder(folders, register), settings.max_monitors)
        if settings.bundle is not None:
            await shelve_bundle(settings.bundle, read, shelf, folders, register)
        book = ProjectBook(RedisProjectStore(client))
        await book.refresh()
        # Before it takes any partition: steps need not wait for what is chosen to be loaded.
        await Stocking(shelf, register, book, lambda: None).look()
        keep_what_is_loaded()
        await _work(settings, client, partitions, shelf, register, book, stop)
    finally:
        await client.aclose()


async def _work(
    settings: Settings,
    client: RedisClient,
    partitions: int,
    shelf: LoadedMonitors,
    register: MonitorRegister,
    book: ProjectBook,
    stop: asyncio.Event,
) -> None:
    metrics, delivery_metrics = WorkerMetrics(registry := CollectorRegistry()), DeliveryMetrics(registry)
    rules = privacy_rules(settings, book)
    owner = settings.owner or f"{socket.gethostname()}-{os.getpid()}"
    folder = settings.archive_folder
    archive = None if folder is None else FileArchive(folder, owner)
    log.info("scored steps are %s", "not archived" if folder is None else f"archived in {folder}")
    partition_log = RedisPartitionLog(client, KeySpace(partitions), settings.lease_ms, archived=archive is not None)

    def report_soon() -> None:
        leases.nudge()

    stocking = Stocking(shelf, register, book, report_soon)
    leases = LeaseKeeper(
        partition_log,
        owner,
        partitions,
        settings.lease_ms,
        lambda: (shelf.ids, shelf.device),
        lambda: (shelf.refused, stocking.tried),
    )
    archiver = None if archive is None else Archiver(partition_log, archive, leases.held.values, metrics)

    def is_control_run(ref: RunRef) -> bool:
        return is_control(ref, book.settings(ref.project).feedback.control_ratio)

    ending_log = RedisEndingLog(client, KeySpace(partitions))
    endings = EndingArchiver(ending_log, archive, leases.held.keys, metrics, is_control_run)
    exporter = build_exporter(settings, registry)
    scoring = ScoringLoop(
        partition_log,
        leases,
        shelf,
        metrics,
        lambda progress: to_memory(progress, shelf),
        None if archiver is None else archiver.scored,
        Alerting(settings.severity_warning, settings.severity_critical, settings.public_url),
        is_control_run,
        rules.keeps_content,
        exporter,
    )
    delivery = DeliveryLoop(
        client,
        lambda: tuple(leases.held),
        allow_private=settings.allowed_targets,
        policy=DeliveryPolicy(
            disable_after_ms=int(settings.webhook_disable_days * DAY_MS),
            disable_failures=settings.webhook_disable_failures,
        ),
        metrics=delivery_metrics,
    )
    reader, deliveries = RedisRunReader(client, KeySpace(partitions)), DeliveryStore(client)

    async def find_alerts(ref: RunRef) -> list[str]:
        return [str(alert["id"]) for alert in await reader.read_run_alerts(ref)]

    deleter = Deleter(
        RedisDeletionLog(client, KeySpace(partitions)),
        owner,
        lambda: leases.held,
        scoring.aside,
        archive,
        [one.writing for one in (archiver, endings) if one is not None],
        find_alerts,
        lambda partition, ref, alerts: deliveries.forget(partition, ref.project, alerts),
    )
    scored, drained = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(leases.run(drained), name="leases")
        others = [
            group.create_task(delivery.run(stop), name="delivery"),
            group.create_task(book.run(stop), name="projects"),
            group.create_task(endings.run(stop), name="endings"),
            group.create_task(stocking.run(stop), name="stocking"),
            group.create_task(deleter.run(stop), name="deletions"),
            group.create_task(_tidy(partition_log, leases, settings, stop), name="tidy"),
            group.create_task(_sweep(partition_log, leases, archive, rules, stop), name="sweep"),
        ]
        if archiver is not None:
            others.append(group.create_task(archiver.run(scored), name="archive"))
        if exporter is not None:
            others.append(group.create_task(exporter.run(scored), name="evaluations"))
        await scoring.run(stop)
        scored.set()
        await asyncio.gather(*others)
        drained.set()
        leases.nudge()
        await keeping
    with contextlib.suppress(TransientError):
        await leases.release_all()
    if archive is not None:
        archive.close()
    log.info("drained: every scored step is committed, every lease released")


def build_exporter(settings: Settings, registry: CollectorRegistry) -> EvaluationExporter | None:
    """What sends scores to the OTLP receiver; None where there is none."""
    if not settings.otlp_endpoint:
        return None
    metrics = ExportMetrics(registry)
    return EvaluationExporter(
        settings.otlp_endpoint, settings.otlp_header_values, settings.otlp_every, version_of_service(), metrics
    )


async def _tidy(partition_log: PartitionLog, leases: LeaseKeeper, settings: Settings, stop: asyncio.Event) -> None:
    """Ends waits that have been long enough: of steps that came before their turn, of spans that are being put in
    order, and of runs without steps."""
    while not stop.is_set():
        now_ms = time.time_ns() // 1_000_000
        idle_ms = now_ms - int(settings.run_idle_hours * HOUR_MS)
        for holding in list(leases.held.values()):
            with contextlib.suppress(TransientError):
                await partition_log.tidy(
                    holding.lease,
                    early_ms=now_ms - settings.seq_wait_ms,
                    idle_ms=idle_ms,
                    held_ms=now_ms - settings.span_wait_ms,
                )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), TIDY_EVERY_S)


async def _sweep(
    partition_log: PartitionLog,
    leases: LeaseKeeper,
    archive: StepArchive | None,
    rules: PrivacyRules,
    stop: asyncio.Event,
) -> None:
    """Deletes runs idle for longer than their project's retention, and what the archive has of that time, now and
    then."""
    while not stop.is_set():
        cutoffs = rules.cutoffs(time.time_ns() // 1_000_000)
        for holding in list(leases.held.values()) * SWEEPS:
            with contextlib.suppress(TransientError):
                await partition_log.sweep(holding.lease, cutoffs)
        if archive is not None:
            try:
                await asyncio.to_thread(archive.sweep, cutoffs)
            except OSError as error:
                log.error("what the archive has beyond the retention cannot be deleted: %s", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SWEEP_EVERY_S)


def to_memory(progress: RunProgress, shelf: LoadedMonitors) -> RunMemory:
    """A run's memory of what Redis holds. A run that began before any monitor was there goes with the active one."""
    monitor_id = progress.monitor_id or shelf.active_id
    shadow = to_shadow_memory(progress)
    try:
        state = RunState.from_bytes(progress.state) if progress.state else None
    except RunStateError as error:
        return RunMemory(monitor_id, None, progress.summary, str(error), progress.group, shadow)
    return RunMemory(monitor_id, state, progress.summary, group=progress.group, shadow=shadow)


def to_shadow_memory(progress: RunProgress) -> ShadowMemory | None:
    """The memory of a run's shadow, if it has one."""
    if not progress.shadow_id:
        return None
    memory = ShadowMemory(progress.shadow_id, None, progress.shadow)
    try:
        return replace(memory, state=RunState.from_bytes(progress.shadow_state)) if progress.shadow_state else memory
    except RunStateError as error:
        return memory.drop(str(error))
