"""How a webhook's receiver has been doing: its failures since it last took something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.alerts.availability import needs_redis
from service.alerts.keys import health_key, webhooks_key
from service.alerts.scripts import NOTE_ATTEMPT
from service.alerts.webhook import Webhook
from service.redis_log.connection import RedisClient, run_script
from service.redis_log.scripts import Call


@dataclass(frozen=True, slots=True)
class Health:
    """Failed attempts since the last success, when the first of them was, and what was last wrong. Times in
    milliseconds, 0 for never."""

    failures: int = 0
    failing_since_ms: int = 0
    last_success_ms: int = 0
    error: str = ""


class WebhookHealth:
    """Counts over all processes."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis

    @needs_redis
    async def note(self, webhook: Webhook, delivered: bool, error: str, now_ms: int) -> Health:
        """Counts an attempt; how the receiver stands after it."""
        failures, since_ms = await run_script(
            self._redis,
            Call(
                NOTE_ATTEMPT,
                [webhooks_key(webhook.project), health_key(webhook.project, webhook.id)],
                [webhook.id, int(delivered), now_ms, error],
            ),
        )
        return Health(int(failures), int(since_ms), now_ms if delivered else 0, "" if delivered else error)

    @needs_redis
    async def of(self, webhooks: Sequence[Webhook]) -> list[Health]:
        """How each of them stands."""
        if not webhooks:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for webhook in webhooks:
                pipe.hmget(
                    health_key(webhook.project, webhook.id), ["failures", "since_ms", "last_success_ms", "error"]
                )
            rows = await pipe.execute()
        return [
            Health(int(failures or 0), int(since_ms or 0), int(success_ms or 0), (error or b"").decode())
            for failures, since_ms, success_ms, error in rows
        ]

    @needs_redis
    async def forget(self, webhook: Webhook) -> None:
        """As if it had never been sent to."""
        await self._redis.delete(health_key(webhook.project, webhook.id))
