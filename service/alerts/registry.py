"""The webhooks of a project: where its alerts go, and the secrets that sign them. Kept in Redis, one hash a project."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from service.alerts.availability import needs_redis
from service.alerts.errors import TooManyWebhooks, WebhookNotFound
from service.alerts.keys import webhooks_key
from service.alerts.targets import TargetGuard
from service.redis_log.connection import RedisClient

FORMAT = 1
LIMIT_PER_PROJECT = 50


@dataclass(frozen=True, slots=True)
class Webhook:
    """One target for a project's alerts. `secrets` are `whsec_…`; each signs, the first is the current one."""

    id: str
    project: str
    url: str
    description: str
    secrets: tuple[str, ...]
    created_ms: int

    def to_json(self) -> bytes:
        """The record as it is stored, with its format version."""
        return orjson.dumps(
            {
                "format": FORMAT,
                "id": self.id,
                "project": self.project,
                "url": self.url,
                "description": self.description,
                "secrets": list(self.secrets),
                "created_ms": self.created_ms,
            }
        )

    @classmethod
    def from_json(cls, raw: bytes | str) -> Webhook:
        """The webhook in a stored record."""
        record = orjson.loads(raw)
        return cls(
            id=record["id"],
            project=record["project"],
            url=record["url"],
            description=record["description"],
            secrets=tuple(record["secrets"]),
            created_ms=record["created_ms"],
        )


def new_secret() -> str:
    """A fresh signing secret: `whsec_` and 32 random bytes in base64, as Standard Webhooks asks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class WebhookRegistry:
    """Create, find, list and delete the webhooks of a project."""

    def __init__(self, redis: RedisClient, guard: TargetGuard, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._guard = guard
        self._clock = clock

    @needs_redis
    async def create(self, project: str, url: str, description: str = "") -> Webhook:
        """A new webhook, its secret included. Raises `TargetRefused` for a forbidden target, `TooManyWebhooks` at
        the limit."""
        target = self._guard.parse(url)
        await self._guard.resolve(target.host, target.port)
        if int(await self._redis.hlen(webhooks_key(project))) >= LIMIT_PER_PROJECT:
            raise TooManyWebhooks(project, LIMIT_PER_PROJECT)
        webhook = Webhook(
            id="wh_" + secrets.token_hex(10),
            project=project,
            url=url,
            description=description,
            secrets=(new_secret(),),
            created_ms=int(self._clock() * 1000),
        )
        await self._redis.hset(webhooks_key(project), webhook.id, webhook.to_json())
        return webhook

    @needs_redis
    async def find(self, project: str, webhook_id: str) -> Webhook | None:
        """The project's webhook of that id, or None."""
        raw = await self._redis.hget(webhooks_key(project), webhook_id)
        return None if raw is None else Webhook.from_json(raw)

    async def get(self, project: str, webhook_id: str) -> Webhook:
        """The project's webhook of that id. Raises `WebhookNotFound`."""
        webhook = await self.find(project, webhook_id)
        if webhook is None:
            raise WebhookNotFound(webhook_id)
        return webhook

    @needs_redis
    async def of_project(self, project: str) -> list[Webhook]:
        """The project's webhooks, oldest first."""
        found = [Webhook.from_json(raw) for raw in await self._redis.hvals(webhooks_key(project))]
        return sorted(found, key=lambda webhook: (webhook.created_ms, webhook.id))

    @needs_redis
    async def delete(self, project: str, webhook_id: str) -> None:
        """Forgets the webhook: what is still pending for it is recorded as failed and not sent. Raises
        `WebhookNotFound`."""
        if not await self._redis.hdel(webhooks_key(project), webhook_id):
            raise WebhookNotFound(webhook_id)
