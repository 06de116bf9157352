"""The ops process of a worker role: /livez, /readyz and /metrics for its workers, and nothing else over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from monitors.bundle import read_monitor_id
from service.alerts.registry import WebhookRegistry
from service.alerts.targets import TargetGuard
from service.api.application import create_health_app
from service.api.deps import HealthDeps
from service.api.front import LOOPBACK_HOSTS
from service.app.api import check_all, read_gauges
from service.app.binding import Binding, check_access, choose_binding, read_when_up, tell_binding, until_first_key
from service.app.looking import build_state_gauges
from service.app.serving import build_server, serve_until
from service.app.version import version_of_service
from service.core.projects import ProjectBook
from service.core.readiness import Check
from service.core.tenants.authentication import KeyBook
from service.redis_log.access_keys import RedisKeyStore
from service.redis_log.connection import RedisClient, build_client
from service.redis_log.keys import KeySpace
from service.redis_log.parking import RedisParking
from service.redis_log.projects import RedisProjectStore
from service.redis_log.runs import RedisRunReader
from service.settings import Settings, worker_names
from service.telemetry import render_metrics

log = logging.getLogger(__name__)

BIND_AGAIN_S = 5.0


async def run_ops(settings: Settings, redis_url: str, stop: asyncio.Event) -> None:
    """Answer until `stop`. Where the address is taken it says so and tries again: the workers go on meanwhile."""
    client = build_client(redis_url, connections=16)
    try:
        book = KeyBook(RedisKeyStore(client))
        await read_when_up(book, stop)
        binding = choose_binding(settings, keys_exist=book.exists)
        tell_binding(binding, settings, key_needed=False)
        app = create_health_app(
            build_health(settings, client, binding),
            version=version_of_service(),
            allowed_hosts=None if settings.api_key is not None or book.exists else LOOPBACK_HOSTS,
        )
        if await _wait_for_address(binding.host, settings.port, stop):
            leave = asyncio.Event()
            background = [
                asyncio.create_task(book.run(stop)),
                asyncio.create_task(until_first_key(book, binding, stop, leave)),
            ]
            try:
                await serve_until(build_server(app, binding.host, settings), leave)
            finally:
                for task in background:
                    task.cancel()
    finally:
        await client.aclose()


def build_health(settings: Settings, client: RedisClient, binding: Binding) -> HealthDeps:
    """What a worker role says of itself. The supervisor has settled the partitions and named the workers."""
    partitions = settings.partition_count
    keys = KeySpace(partitions)
    reader, parking = RedisRunReader(client, keys), RedisParking(client, keys)
    active_id = "" if settings.bundle is None else read_monitor_id(settings.bundle)
    own = worker_names(settings.owner or "", settings.workers)

    async def metrics_text() -> bytes:
        return render_metrics(CollectorRegistry(), [*await read_gauges(reader, parking), *await state.families()])

    async def checks() -> Sequence[Check]:
        access = check_access(binding, settings, key_needed=binding.is_outside)
        return [*await check_all(settings, client, reader, partitions, lambda: active_id, own), access]

    book = ProjectBook(RedisProjectStore(client))

    async def checks_of_state() -> Sequence[Check]:
        # Nothing else in this process knows of projects: their webhooks are looked at here as well.
        await book.refresh()
        return await checks()

    state = build_state_gauges(
        settings, client, keys, checks_of_state, WebhookRegistry(client, TargetGuard(())), book.names
    )
    return HealthDeps(metrics_text, checks)


async def _wait_for_address(host: str, port: int, stop: asyncio.Event) -> bool:
    while not stop.is_set():
        try:
            _try_address(host, port)
            return True
        except OSError as error:
            log.error(
                "%s:%d cannot be bound (%s): /metrics, /livez and /readyz of these workers are not to be had. "
                "Give this process another --port (FOREWARN_PORT)",
                *(host, port, error.strerror),
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BIND_AGAIN_S)
    return False


def _try_address(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen()
