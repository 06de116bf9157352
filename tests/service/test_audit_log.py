"""The audit log: bounded, by project, newest first."""

from __future__ import annotations

import pytest

from service.core.tenants import audit as core_audit
from service.core.tenants.access import Principal
from service.core.tenants.audit import MAX_DETAIL_BYTES, AuditLog
from service.redis_log import audit as redis_audit
from service.redis_log.audit import RedisAuditStore
from tests.service.conftest import Core

ADMIN = Principal("acme", key_id="ak_1", origin="192.0.2.7")


@pytest.fixture
def audit(core: Core) -> AuditLog:
    return AuditLog(RedisAuditStore(core.client), clock=lambda: 1000.5)


async def test_an_act_is_kept_with_who_when_what_and_from_where(audit: AuditLog) -> None:
    await audit.note(ADMIN, "webhook.create", "wh_1", {"url": "https://example.com/ä"})
    (entry,) = await audit.read("acme", 10)
    assert (entry.key_id, entry.origin, entry.at_ms) == ("ak_1", "192.0.2.7", 1_000_500)
    assert (entry.act, entry.target) == ("webhook.create", "wh_1")
    assert entry.detail == {"url": "https://example.com/ä"}


async def test_the_newest_come_first_and_pages_go_on_after_the_last_seen(audit: AuditLog) -> None:
    for number in range(5):
        await audit.note(ADMIN, "key.create", str(number))
    first = await audit.read("acme", 2)
    second = await audit.read("acme", 2, first[-1].entry_id)
    third = await audit.read("acme", 2, second[-1].entry_id)
    assert [one.target for one in first + second + third] == ["4", "3", "2", "1", "0"]
    assert await audit.read("acme", 2, "0-0") == []


async def test_acts_of_a_kind_and_of_a_key_are_found_however_many_lie_between(
    audit: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_audit, "READ_AT_ONCE", 3)
    for number in range(10):
        act = ("key.create", "keyring.open", "key.revoke", "run.delete", "run.delete")[number % 5]
        await audit.note(Principal("acme", key_id=f"ak_{number % 2}"), act, str(number))
    found = await audit.read("acme", 3, act="key")
    assert [one.target for one in found] == ["7", "5", "2"]
    assert [one.target for one in await audit.read("acme", 3, found[-1].entry_id, act="key")] == ["0"]
    assert [one.target for one in await audit.read("acme", 9, act="key.create", key_id="ak_1")] == ["5"]
    assert await audit.read("acme", 9, key_id="ak_7") == []


async def test_projects_see_their_own_acts_alone(audit: AuditLog) -> None:
    await audit.note(ADMIN, "key.create", "mine")
    await audit.note(Principal("default", key_id="operator"), "project.create", "acme", project="acme")
    assert await audit.read("default", 10) == []
    assert [one.key_id for one in await audit.read("acme", 10)] == ["operator", "ak_1"]


async def test_a_large_detail_is_left_out_and_said_so(audit: AuditLog) -> None:
    await audit.note(ADMIN, "monitor.upload", "m", {"text": "x" * MAX_DETAIL_BYTES})
    assert (await audit.read("acme", 1))[0].detail == {"left_out": "too large"}


async def test_the_log_is_bounded(audit: AuditLog, core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_audit, "KEPT_ENTRIES", 10)
    for number in range(300):
        await audit.note(ADMIN, "key.create", str(number))
    kept = await audit.read("acme", 500)
    assert len(kept) < 200
    assert kept[0].target == "299"
