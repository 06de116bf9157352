"""Puts together what `state_gauges` looks at."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from service.alerts.registry import WebhookRegistry
from service.app.state_gauges import Bounds, State, StateGauges
from service.app.version import version_of_service
from service.core.readiness import Check
from service.redis_log.checks import read_memory
from service.redis_log.connection import RedisClient
from service.redis_log.fleet import RedisFleet
from service.redis_log.keys import KeySpace
from service.redis_log.runs import RedisRunReader
from service.settings import Settings

# Projects whose webhooks are looked at: a look must not grow without end.
MOST_PROJECTS = 200


def build_state_gauges(
    settings: Settings,
    client: RedisClient,
    keys: KeySpace,
    checks: Callable[[], Awaitable[Sequence[Check]]],
    webhooks: WebhookRegistry,
    projects: Callable[[], Sequence[str]],
) -> StateGauges:
    """The gauges of a process that answers to /metrics."""
    reader = RedisRunReader(client, keys)
    fleet = RedisFleet(client, keys, reader)

    async def read() -> State:
        failures: list[int | None] = []
        for project in projects()[:MOST_PROJECTS]:
            known = await webhooks.of_project(project)
            healths = await webhooks.health.of(known)
            failures += [
                None if webhook.disabled else health.failures for webhook, health in zip(known, healths, strict=True)
            ]
        return State(
            checks=await checks(),
            waits_s=await fleet.oldest_waits(time.time_ns() // 1_000_000),
            live=await fleet.live_runs(),
            alerts=await fleet.newest_alerts(),
            reports=await reader.worker_reports(),
            memory=await read_memory(client),
            failures=failures,
        )

    bounds = Bounds(
        partitions=keys.count,
        backlog_steps=settings.max_backlog,
        live_runs=settings.max_live_runs,
        gone_ms=2 * settings.lease_ms,
        version=version_of_service(),
    )
    return StateGauges(read, bounds)
