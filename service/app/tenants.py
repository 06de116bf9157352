"""Keys and projects of a service that may or may not run, for a command beside it: Redis alone must answer."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.alerts.registry import WebhookRegistry
from service.alerts.targets import TargetGuard
from service.app.parked import open_redis
from service.core.projects import ProjectBook
from service.core.tenants.access import Principal
from service.core.tenants.audit import AuditLog
from service.core.tenants.keys import KeyRegistry
from service.core.tenants.tenancy import ProjectRegistry
from service.redis_log.access_keys import RedisKeyStore
from service.redis_log.audit import RedisAuditStore
from service.redis_log.projects import RedisProjectStore
from service.redis_log.quality import RedisQualityStore
from service.redis_log.runs import RedisRunReader
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Tenants:
    """The keys and projects of a service, the audit log, and who runs the command."""

    keys: KeyRegistry
    projects: ProjectRegistry
    audit: AuditLog
    who: Principal


@asynccontextmanager
async def open_tenants(settings: Settings) -> AsyncIterator[Tenants]:
    """The keys and projects in the Redis that these settings name, or in the embedded one of the data folder. Raises
    as `open_redis` does."""
    async with open_redis(settings) as (client, keys):
        registry = KeyRegistry(RedisKeyStore(client))
        store, audits = RedisProjectStore(client), RedisAuditStore(client)
        webhooks, reader = WebhookRegistry(client, TargetGuard(())), RedisRunReader(client, keys)
        projects = ProjectRegistry(
            ProjectBook(store),
            store,
            registry,
            reader,
            lambda project: forget_project(project, webhooks, audits, RedisQualityStore(client, keys, reader)),
        )
        who = Principal("default", key_id="command", origin=getpass.getuser())
        yield Tenants(registry, projects, AuditLog(audits), who)


async def forget_project(
    project: str, webhooks: WebhookRegistry, audits: RedisAuditStore, quality: RedisQualityStore
) -> None:
    """Take away what is kept by a deleted project's name."""
    for webhook in await webhooks.of_project(project):
        await webhooks.delete(project, webhook.id)
    await audits.delete_log(project)
    await quality.forget(project)
