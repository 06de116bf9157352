"""A secret is replaced without a receiver that fails to verify: both sign for a while."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from service.alerts.registry import WebhookRegistry
from service.alerts.sending import Sender
from service.alerts.targets import TargetGuard
from service.alerts.webhook import RETIRING_AT_MOST, Webhook

HOUR_MS = 3_600_000


async def sent(webhook: Webhook, receiving: Any) -> Any:
    async with receiving() as receiver:
        sender = Sender(TargetGuard(True))
        await sender.send(replace(webhook, url=receiver.url), "m", b"{}")
        await sender.aclose()
        return receiver.requests[0]


def verifies(secret: str, request: Any) -> bool:
    try:
        Verifier(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


async def test_for_a_time_of_grace_both_secrets_verify(registry: WebhookRegistry, receiving: Any) -> None:
    old = await registry.create("default", "http://127.0.0.1:9/")
    new = await registry.rotate("default", old.id, HOUR_MS)
    request = await sent(new, receiving)
    assert new.secret != old.secret
    assert [part.partition(",")[0] for part in request.headers["webhook-signature"].split(" ")] == ["v1", "v1"]
    assert verifies(new.secret, request)
    assert verifies(old.secret, request)


async def test_after_the_grace_the_new_secret_alone_verifies(
    redis: Any, registry: WebhookRegistry, receiving: Any
) -> None:
    old = await registry.create("default", "http://127.0.0.1:9/")
    earlier = WebhookRegistry(redis, TargetGuard(True), clock=lambda: 1_000_000.0)
    request = await sent(await earlier.rotate("default", old.id, HOUR_MS), receiving)
    new = await registry.get("default", old.id)
    assert (verifies(new.secret, request), verifies(old.secret, request)) == (True, False)


async def test_without_grace_every_old_secret_is_out_at_once(registry: WebhookRegistry, receiving: Any) -> None:
    first = await registry.create("default", "http://127.0.0.1:9/")
    second = await registry.rotate("default", first.id, HOUR_MS)
    third = await registry.rotate("default", first.id, 0)
    request = await sent(third, receiving)
    assert [verifies(one.secret, request) for one in (first, second, third)] == [False, False, True]


async def test_rotating_again_and_again_keeps_few_secrets(registry: WebhookRegistry) -> None:
    webhook = await registry.create("default", "http://127.0.0.1:9/")
    for _ in range(5):
        webhook = await registry.rotate("default", webhook.id, HOUR_MS)
    assert len(webhook.signing_secrets(webhook.created_ms)) == RETIRING_AT_MOST + 1


async def test_a_record_of_the_first_format_is_read(registry: WebhookRegistry) -> None:
    raw = (
        b'{"format":1,"id":"wh_1","project":"p","url":"https://a.example/","description":"d",'
        b'"secrets":["whsec_AAAA"],"created_ms":5}'
    )
    webhook = Webhook.from_json(raw)
    assert (webhook.secret, webhook.format, webhook.disabled) == ("whsec_AAAA", "native", None)
    assert Webhook.from_json(webhook.to_json()) == webhook


async def test_those_who_change_a_webhook_at_once_all_count(registry: WebhookRegistry) -> None:
    webhook = await registry.create("default", "http://127.0.0.1:9/")
    await asyncio.gather(
        registry.change("default", webhook.id, {"description": "on call"}),
        *(registry.rotate("default", webhook.id, HOUR_MS) for _ in range(2)),
    )
    now = await registry.get("default", webhook.id)
    assert (now.description, len(now.retiring)) == ("on call", 2)
