"""The webhooks of a project: registered, changed, disabled. Kept in Redis, one hash a project."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from service.alerts.availability import needs_redis
from service.alerts.errors import FormatIncomplete, TooManyWebhooks, WebhookNotFound
from service.alerts.health import WebhookHealth
from service.alerts.keys import webhooks_key
from service.alerts.targets import TargetGuard
from service.alerts.webhook import Disabled, Webhook, new_secret
from service.redis_log.connection import RedisClient, run_script
from service.redis_log.scripts import SWAP_FIELD, Call

LIMIT_PER_PROJECT = 50


class WebhookRegistry:
    """Create, find, list, change and delete the webhooks of a project. Whoever changes one at the same time as another
    does so on top of the other's change."""

    def __init__(self, redis: RedisClient, guard: TargetGuard, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._guard = guard
        self._clock = clock
        self.health = WebhookHealth(redis)

    @needs_redis
    async def create(self, project: str, url: str, description: str = "", **more: Any) -> Webhook:
        """A new webhook, its secret included; `more` are further fields of `Webhook`. Raises `TargetRefused` for a
        forbidden target, `TooManyWebhooks` at the limit, `FormatIncomplete`."""
        await self.check_target(url)
        if int(await self._redis.hlen(webhooks_key(project))) >= LIMIT_PER_PROJECT:
            raise TooManyWebhooks(project, LIMIT_PER_PROJECT)
        webhook = _complete(
            Webhook(
                id="wh_" + secrets.token_hex(10),
                project=project,
                url=url,
                description=description,
                secret=new_secret(),
                created_ms=self._now_ms(),
                **more,
            )
        )
        await self._redis.hset(webhooks_key(project), webhook.id, webhook.to_json())
        return webhook

    async def check_target(self, url: str) -> None:
        """Raises `TargetRefused` if webhooks may not be sent there."""
        target = self._guard.parse(url)
        await self._guard.resolve(target.host, target.port)

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

    async def change(self, project: str, webhook_id: str, fields: Mapping[str, Any]) -> Webhook:
        """The webhook with other fields, its target checked if that is one of them. Raises `WebhookNotFound`,
        `TargetRefused`, `FormatIncomplete`."""
        if "url" in fields:
            await self.check_target(fields["url"])
        return await self._swap(project, webhook_id, lambda webhook: _complete(replace(webhook, **fields)))

    async def rotate(self, project: str, webhook_id: str, grace_ms: int) -> Webhook:
        """The webhook with a new secret; the old one signs too for `grace_ms`. Raises `WebhookNotFound`."""
        return await self._swap(project, webhook_id, lambda webhook: webhook.rotated(self._now_ms(), grace_ms))

    async def disable(self, webhook: Webhook, why: Disabled) -> bool:
        """Nothing more is sent to the webhook, as it was when the attempt began that says why. False if it is deleted,
        was disabled already, or was enabled again since: what was under way then must not undo that.
        """
        done = False

        def disabled(now: Webhook) -> Webhook:
            nonlocal done
            done = now.disabled is None and now.enabled_ms == webhook.enabled_ms
            return replace(now, disabled=why) if done else now

        try:
            await self._swap(webhook.project, webhook.id, disabled)
        except WebhookNotFound:
            return False
        return done

    async def enable(self, project: str, webhook_id: str) -> Webhook:
        """The webhook is sent to again, its failures forgotten. Raises `WebhookNotFound`."""
        webhook = await self._swap(
            project, webhook_id, lambda now: replace(now, disabled=None, enabled_ms=self._now_ms())
        )
        await self.health.forget(webhook)
        return webhook

    @needs_redis
    async def delete(self, project: str, webhook_id: str) -> Webhook:
        """Forgets the webhook, and gives what it was: what is still pending for it is recorded as failed and not sent.
        Raises `WebhookNotFound`."""
        webhook = await self.get(project, webhook_id)
        if not await self._redis.hdel(webhooks_key(project), webhook_id):
            raise WebhookNotFound(webhook_id)
        await self.health.forget(webhook)
        return webhook

    @needs_redis
    async def _swap(self, project: str, webhook_id: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        key = webhooks_key(project)
        while True:
            raw = await self._redis.hget(key, webhook_id)
            if raw is None:
                raise WebhookNotFound(webhook_id)
            webhook = change(Webhook.from_json(raw))
            if await run_script(self._redis, Call(SWAP_FIELD, [key], [webhook_id, raw, webhook.to_json()])):
                return webhook

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _complete(webhook: Webhook) -> Webhook:
    if webhook.format == "pagerduty":
        if not webhook.routing_key:
            raise FormatIncomplete("the format pagerduty needs a routing_key: the integration key of a service")
        return webhook
    return replace(webhook, routing_key="") if webhook.routing_key else webhook
