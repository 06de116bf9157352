from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from standardwebhooks.webhooks import Webhook as Verifier

from service.alerts.acts import WebhookActs, WebhookDeps
from service.alerts.errors import DeliveryNotFound, TargetRefused, TooManyWebhooks
from service.alerts.policy import DeliveryPolicy
from service.alerts.registry import LIMIT_PER_PROJECT, WebhookRegistry
from service.alerts.routes import build_router
from service.alerts.sending import Sender
from service.alerts.store import DeliveryStore
from service.alerts.targets import TargetGuard
from service.alerts.webhook import Webhook
from service.core.privacy.keeping import PrivacyRules
from service.core.privacy.redaction import ProjectRedactor
from service.core.projects import ProjectBook
from service.core.tenants.access import Principal
from service.core.tenants.audit import AuditLog
from service.errors import LogUnavailable, NotFound, PoisonError
from service.redis_log.audit import RedisAuditStore
from service.redis_log.connection import build_client
from service.redis_log.projects import RedisProjectStore
from tests.service.alerts.conftest import disabled


def principal_of(x_project: str = Header("default")) -> Principal:
    return Principal(x_project, key_id="ak_1", origin="192.0.2.1")


@pytest.fixture
async def client(redis: Any, registry: WebhookRegistry, store: DeliveryStore) -> AsyncIterator[httpx.AsyncClient]:
    """The routes alone; a project is chosen by a header here, where the app takes it from the key."""
    sender = Sender(TargetGuard(["127.0.0.1"]))
    app = FastAPI()
    guarded = WebhookRegistry(redis, TargetGuard(["127.0.0.1"]))
    audit = AuditLog(RedisAuditStore(redis))
    redactor = ProjectRedactor(PrivacyRules(ProjectBook(RedisProjectStore(redis)), ("secrets",)))
    app.include_router(build_router(WebhookActs(WebhookDeps(guarded, store, sender, 4, audit, redactor)), principal_of))

    @app.exception_handler(PoisonError)
    async def problem(request: Request, error: PoisonError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404 if isinstance(error, NotFound) else 422)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://forewarn") as client:
        yield client
    await sender.aclose()


async def create(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.post("/v1/webhooks", json={"url": url, "description": "on call"})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def enable_again(client: httpx.AsyncClient, registry: WebhookRegistry, webhook: Webhook) -> None:
    await disabled(registry, webhook)
    answer = await client.post(f"/v1/webhooks/{webhook.id}/enable")
    assert (answer.status_code, answer.json()["enabled"]) == (200, True)


async def test_a_secret_is_shown_at_creation_and_never_again(client: httpx.AsyncClient) -> None:
    created = await create(client, "http://127.0.0.1:9/")
    listed = (await client.get("/v1/webhooks")).json()["webhooks"]
    assert created["secret"].startswith("whsec_")
    assert listed == [{name: value for name, value in created.items() if name != "secret"}]


async def test_a_target_inside_is_refused_with_the_reason(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/webhooks", json={"url": "http://10.0.0.1/"})
    assert answer.status_code == 422
    assert "10.0.0.1" in answer.json()["detail"]


async def test_a_deleted_webhook_is_gone(client: httpx.AsyncClient) -> None:
    created = await create(client, "http://127.0.0.1:9/")
    assert (await client.delete(f"/v1/webhooks/{created['id']}")).status_code == 204
    assert (await client.get("/v1/webhooks")).json() == {"webhooks": []}
    assert (await client.delete(f"/v1/webhooks/{created['id']}")).status_code == 404


async def test_no_route_reaches_the_webhook_of_another_project(client: httpx.AsyncClient) -> None:
    created = await create(client, "http://127.0.0.1:9/")
    path = f"/v1/webhooks/{created['id']}"
    foreign = {"x-project": "another"}
    answers = [
        await client.delete(path, headers=foreign),
        await client.post(f"{path}/test", headers=foreign),
        await client.get(f"{path}/deliveries", headers=foreign),
        await client.post(f"{path}/deliveries/msg_00_{'0' * 24}/redeliver", headers=foreign),
        await client.post(f"{path}/redeliver", headers=foreign),
        await client.get(path, headers=foreign),
        await client.patch(path, headers=foreign, json={"description": "mine"}),
        await client.post(f"{path}/rotate-secret", headers=foreign),
        await client.post(f"{path}/enable", headers=foreign),
    ]
    assert [answer.status_code for answer in answers] == [404] * 9
    assert (await client.get("/v1/webhooks", headers=foreign)).json() == {"webhooks": []}


async def test_a_test_event_is_signed_and_its_answer_told(client: httpx.AsyncClient, receiving: Any) -> None:
    async with receiving(script=[202]) as receiver:
        created = await create(client, receiver.url)
        result = (await client.post(f"/v1/webhooks/{created['id']}/test")).json()
    request = receiver.requests[0]
    payload = Verifier(created["secret"]).verify(request.body, request.headers)
    assert (result["delivered"], result["status"]) == (True, 202)
    assert payload["type"] == "webhook.test"


async def test_a_test_event_that_fails_says_why(client: httpx.AsyncClient) -> None:
    created = await create(client, "http://127.0.0.1:9/")
    result = (await client.post(f"/v1/webhooks/{created['id']}/test")).json()
    assert (result["delivered"], result["status"]) == (False, None)
    assert "ConnectError" in result["error"]


async def test_deliveries_are_listed_newest_first_and_by_state(
    client: httpx.AsyncClient, receiving: Any, delivering: Any, open_alert: Any, registry: WebhookRegistry, settled: Any
) -> None:
    async with receiving(script=[200, 200, 410]) as receiver, delivering():
        created = await create(client, receiver.url)
        webhook = await registry.get("default", created["id"])
        alerts = []
        for number, state in enumerate(["delivered", "delivered", "failed"]):
            alerts.append(await open_alert(number))
            await settled(webhook, state, 2 if number == 1 else 1)
            await asyncio.sleep(0.002)
        path = f"/v1/webhooks/{created['id']}/deliveries"
        everything = (await client.get(path)).json()["deliveries"]
        failed = (await client.get(path, params={"state": "failed"})).json()["deliveries"]
        latest = (await client.get(path, params={"limit": 1})).json()["deliveries"]
    assert [one["alert_id"] for one in everything] == alerts[::-1]
    assert [one["alert_id"] for one in failed] == [one["alert_id"] for one in latest] == [alerts[2]]
    assert failed[0]["status"] == 410


async def test_a_failed_delivery_is_redelivered_by_request(
    client: httpx.AsyncClient, receiving: Any, delivering: Any, open_alert: Any, registry: WebhookRegistry, settled: Any
) -> None:
    async with receiving(script=[410, 200]) as receiver, delivering():
        created = await create(client, receiver.url)
        webhook = await registry.get("default", created["id"])
        await open_alert()
        failed = (await settled(webhook, "failed"))[0]
        await enable_again(client, registry, webhook)
        answer = await client.post(f"/v1/webhooks/{webhook.id}/deliveries/{failed.id}/redeliver")
        await settled(webhook)
    assert answer.status_code == 202
    assert len(receiver.requests) == 2


async def test_all_failed_deliveries_of_a_webhook_are_redelivered_and_no_other_s(
    client: httpx.AsyncClient, receiving: Any, delivering: Any, open_alert: Any, registry: WebhookRegistry, settled: Any
) -> None:
    async with receiving(script=[410]) as receiver, receiving(script=[410]) as other, delivering():
        created, foreign = await create(client, receiver.url), await create(client, other.url)
        webhook = await registry.get("default", created["id"])
        for number in range(5):
            await open_alert(number % 4)
        await settled(webhook, "failed", 5)
        await settled(await registry.get("default", foreign["id"]), "failed", 5)
        refused = await client.post(f"/v1/webhooks/{webhook.id}/redeliver")
        await enable_again(client, registry, webhook)
        before = len(other.requests)
        receiver.script, path = [200], f"/v1/webhooks/{webhook.id}/redeliver"
        first = await client.post(path, params={"limit": 2})
        await settled(webhook, count=2)
        rest = await client.post(path)
        await settled(webhook, count=5)
        none = await client.post(path, params={"state": "expired"})
    assert (first.status_code, first.json()) == (202, {"redelivered": 2, "more": True})
    assert rest.json() == {"redelivered": 3, "more": False}
    assert none.json() == {"redelivered": 0, "more": False}
    assert (refused.status_code, len(other.requests)) == (422, before)
    assert len({request.webhook_id for request in receiver.requests}) == 5


async def test_an_expired_delivery_says_when_and_why(
    client: httpx.AsyncClient, receiving: Any, delivering: Any, open_alert: Any, registry: WebhookRegistry, settled: Any
) -> None:
    long_ago_ms = 1_700_000_000_000
    async with receiving() as receiver, delivering():
        created = await create(client, receiver.url)
        await open_alert(created_ms=long_ago_ms)
        await settled(await registry.get("default", created["id"]), "expired")
        path = f"/v1/webhooks/{created['id']}/deliveries"
        (listed,) = (await client.get(path, params={"state": "expired"})).json()["deliveries"]
        answer = await client.post(f"/v1/webhooks/{created['id']}/redeliver", params={"state": "expired"})
        await receiver.wait_for(1)
    assert datetime.fromisoformat(listed["expires"]).timestamp() * 1000 == long_ago_ms + DeliveryPolicy().ttl_ms
    assert (listed["state"], listed["error"], listed["next_attempt"]) == ("expired", "too old to be sent", None)
    assert answer.json()["redelivered"] == 1


@pytest.mark.parametrize("name", ["msg_00_" + "0" * 24, "msg_99_" + "0" * 24, "nonsense", "msg_x_1"])
async def test_an_unknown_delivery_is_not_found(name: str, store: DeliveryStore, registry: WebhookRegistry) -> None:
    webhook = await registry.create("default", "http://127.0.0.1:9/")
    with pytest.raises(DeliveryNotFound):
        await store.redeliver(webhook, name, 4, 0)


async def test_a_project_has_a_most_of_webhooks(registry: WebhookRegistry) -> None:
    for _ in range(LIMIT_PER_PROJECT):
        await registry.create("default", "http://127.0.0.1:9/")
    with pytest.raises(TooManyWebhooks):
        await registry.create("default", "http://127.0.0.1:9/")


async def test_a_refused_target_is_not_stored(redis: Any) -> None:
    registry = WebhookRegistry(redis, TargetGuard())
    with pytest.raises(TargetRefused):
        await registry.create("default", "http://[::1]/")
    assert await registry.of_project("default") == []


async def test_redis_out_of_reach_is_said_in_the_services_own_words(tmp_path: Path) -> None:
    away = build_client(f"unix://{tmp_path}/nothing")
    with pytest.raises(LogUnavailable):
        await WebhookRegistry(away, TargetGuard(True)).of_project("default")
    with pytest.raises(LogUnavailable):
        await DeliveryStore(away).deliveries_of("wh_1", 2)
    await away.aclose()


async def test_what_admins_do_with_webhooks_is_written_down_without_secrets(
    client: httpx.AsyncClient, redis: Any
) -> None:
    key = "pd" * 16
    body = {"url": "http://127.0.0.1:9/T0/B0/hush", "format": "pagerduty", "routing_key": key}
    path = f"/v1/webhooks/{(await client.post('/v1/webhooks', json=body)).json()['id']}"
    rotated = (await client.post(f"{path}/rotate-secret")).json()
    await client.patch(path, json={"description": "on call"})
    await client.post(f"{path}/enable")
    await client.post(f"{path}/redeliver")
    await client.delete(path)
    entries = await AuditLog(RedisAuditStore(redis)).read("default", 50)
    written = repr(entries)
    assert [entry.act.partition(".")[2] for entry in entries[::-1]] == [
        "create",
        "rotate",
        "change",
        "enable",
        "redeliver",
        "delete",
    ]
    assert {entry.key_id for entry in entries} == {"ak_1"}
    assert not any(secret in written for secret in (key, rotated["secret"], "hush"))


async def test_a_rotation_shows_the_new_secret_once_and_until_when_the_old_one_holds(
    client: httpx.AsyncClient,
) -> None:
    created = await create(client, "http://127.0.0.1:9/")
    path = f"/v1/webhooks/{created['id']}"
    rotated = (await client.post(f"{path}/rotate-secret", json={"grace_hours": 2})).json()
    shown = (await client.get(path)).json()
    until = datetime.fromisoformat(shown["old_secret_until"]).timestamp()
    assert rotated["secret"] not in {created["secret"], None}
    assert "secret" not in shown
    assert abs(until - time.time() - 7200) < 60


async def test_a_change_replaces_what_it_names_and_nothing_else(client: httpx.AsyncClient) -> None:
    created = await create(client, "http://127.0.0.1:9/")
    path = f"/v1/webhooks/{created['id']}"
    quiet = {"zone": "Europe/Berlin", "ranges": [{"days": ["sat", "sun"], "start": "00:00", "end": "00:00"}]}
    await client.patch(path, json={"filters": {"severity": "critical"}, "quiet_hours": quiet})
    changed = (await client.patch(path, json={"format": "slack"})).json()
    assert (changed["description"], changed["format"]) == ("on call", "slack")
    assert changed["filters"]["severity"] == "critical"
    assert changed["quiet_hours"] == quiet
    assert (await client.patch(path, json={"quiet_hours": None})).json()["quiet_hours"] is None


async def test_a_change_to_a_target_inside_is_refused_and_changes_nothing(client: httpx.AsyncClient) -> None:
    created = await create(client, "http://127.0.0.1:9/")
    path = f"/v1/webhooks/{created['id']}"
    answer = await client.patch(path, json={"url": "http://169.254.169.254/", "description": "no"})
    shown = (await client.get(path)).json()
    assert answer.status_code == 422
    assert (shown["url"], shown["description"]) == ("http://127.0.0.1:9/", "on call")


async def test_a_routing_key_is_never_shown_again(client: httpx.AsyncClient) -> None:
    key = "0123456789abcdef0123456789abcdef"
    body = {"url": "http://127.0.0.1:9/", "format": "pagerduty", "routing_key": key}
    created = await client.post("/v1/webhooks", json=body)
    listed = await client.get("/v1/webhooks")
    changed = await client.patch(f"/v1/webhooks/{created.json()['id']}", json={"routing_key": "x" * 16 + key})
    assert created.json()["routing_key"] == "…cdef"
    assert all(key[:-4] not in answer.text for answer in (created, listed, changed))


async def test_pagerduty_without_a_routing_key_is_refused_with_the_reason(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "format": "pagerduty"})
    assert answer.status_code == 422
    assert "routing_key" in answer.json()["detail"]


@pytest.mark.parametrize(
    "quiet",
    [
        {"zone": "Middle/Earth", "ranges": [{"start": "22:00", "end": "07:00"}]},
        {"zone": "../../etc/passwd", "ranges": [{"start": "22:00", "end": "07:00"}]},
        {"zone": "UTC", "ranges": [{"start": "24:00", "end": "07:00"}]},
        {"zone": "UTC", "ranges": [{"start": "00:00", "end": "00:00"}]},
        {"zone": "UTC", "ranges": []},
    ],
    ids=["no zone", "a path", "no time", "the whole week", "no range"],
)
async def test_quiet_hours_that_make_no_sense_are_refused(client: httpx.AsyncClient, quiet: Any) -> None:
    answer = await client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "quiet_hours": quiet})
    assert answer.status_code == 422


@pytest.mark.parametrize("chosen", ["native", "slack", "alertmanager", "pagerduty"])
async def test_a_test_event_is_sent_in_every_format_signed(
    client: httpx.AsyncClient, receiving: Any, chosen: str
) -> None:
    more = {"routing_key": "k" * 32} if chosen == "pagerduty" else {}
    async with receiving(script=[202]) as receiver:
        body = {"url": receiver.url, "format": chosen, **more}
        created = (await client.post("/v1/webhooks", json=body)).json()
        result = (await client.post(f"/v1/webhooks/{created['id']}/test")).json()
    (request,) = receiver.requests
    assert result["delivered"] is True
    assert Verifier(created["secret"]).verify(request.body, request.headers)
