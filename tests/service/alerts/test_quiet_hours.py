"""Quiet hours follow the clock on the wall, hold back what can wait, and lose nothing that still matters."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from service.alerts.gate import stopped
from service.alerts.quiet import QuietHours, QuietRange
from service.alerts.records import Delivery
from service.alerts.registry import WebhookRegistry
from service.alerts.store import AlertNow
from service.alerts.webhook import Webhook, new_secret
from service.core.alerting import alert_id
from service.records import RunRef, RunSummary
from service.redis_log.keys import PartitionKeys

BERLIN = "Europe/Berlin"
REF = RunRef("default", "r")
KEYS = PartitionKeys(0)


def nights(zone: str = BERLIN, start: str = "22:00", end: str = "07:00", **more: Any) -> QuietHours:
    return QuietHours(zone=zone, ranges=(QuietRange(start=start, end=end, **more),))


def at(text: str, zone: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def shown(at_ms: int | None, zone: str = BERLIN) -> str:
    assert at_ms is not None
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-06-01T21:59:59", False),
        ("2026-06-01T22:00", True),
        ("2026-06-02T03:00", True),
        ("2026-06-02T06:59:59", True),
        ("2026-06-02T07:00", False),
    ],
)
def test_a_night_goes_on_past_midnight(moment: str, quiet: bool) -> None:
    assert nights().contain(at(moment)) is quiet


def test_a_range_belongs_to_the_day_on_which_it_begins() -> None:
    friday_nights = nights(days=("fri",))
    assert friday_nights.contain(at("2026-06-06T06:00"))  # Saturday morning
    assert not friday_nights.contain(at("2026-06-05T06:00"))  # Friday morning


def test_ranges_that_follow_one_another_end_with_the_last() -> None:
    weekend = QuietHours(
        zone=BERLIN,
        ranges=(
            QuietRange(start="18:00", end="07:00"),
            QuietRange(days=("sat", "sun"), start="00:00", end="00:00"),
        ),
    )
    assert shown(weekend.end_ms(at("2026-06-05T23:00"))) == "2026-06-08T07:00+02:00"


@pytest.mark.parametrize(
    ("held_at", "hours", "end"),
    [
        ("2026-03-28T23:00", ("22:00", "07:00"), "2026-03-29T07:00+02:00"),  # a night of 8 hours
        ("2026-10-24T23:00", ("22:00", "07:00"), "2026-10-25T07:00+01:00"),  # and one of 10
        ("2026-03-29T01:00", ("00:00", "02:30"), "2026-03-29T03:00+02:00"),  # 02:30 does not happen: the leap ends it
    ],
)
def test_the_end_is_told_by_the_wall_across_a_change_of_the_clock(
    held_at: str, hours: tuple[str, str], end: str
) -> None:
    assert shown(nights(start=hours[0], end=hours[1]).end_ms(at(held_at))) == end


def test_an_hour_that_the_clock_repeats_is_quiet_both_times() -> None:
    quiet = nights(start="01:00", end="02:30")
    first = at("2026-10-25T02:10")
    again = first + 3_600_000
    assert (shown(first), shown(again)) == ("2026-10-25T02:10+02:00", "2026-10-25T02:10+01:00")
    assert quiet.contain(again)
    assert (shown(quiet.end_ms(first)), shown(quiet.end_ms(again))) == (
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:30+01:00",
    )


CLOCK = st.builds(lambda hour, minute: f"{hour:02d}:{minute:02d}", st.integers(0, 23), st.integers(0, 59))
A_YEAR_MS = st.integers(at("2026-01-01T00:00"), at("2027-01-01T00:00"))
ZONES = st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "UTC"])


@settings(max_examples=150, deadline=None)
@given(ZONES, CLOCK, CLOCK, A_YEAR_MS)
def test_the_end_is_the_first_moment_outside(zone: str, start: str, end: str, moment: int) -> None:
    if start == end:
        end = "12:00" if start != "12:00" else "13:00"
    quiet = nights(zone, start, end, days=("mon", "wed", "sat"))
    until = quiet.end_ms(moment)
    if until is None:
        assert not quiet.contain(moment)
        return
    assert not quiet.contain(until)
    assert all(
        quiet.contain(moment + share * (until - 1001 - moment) // 20) for share in range(21) if until - 1001 > moment
    )


NOW = at("2026-06-02T03:00")


def held_back(severity: str | None, *, held: bool = False, now: AlertNow | None = None, now_ms: int = NOW) -> Any:
    webhook = replace(Webhook("wh_1", "default", "https://a.example/", "", new_secret(), 0), quiet_hours=nights())
    data = {} if severity is None else {"severity": severity}
    fields = {b"body": orjson.dumps({"type": "run.alert", "data": data}), b"held": b"1" if held else b"0"}
    delivery = Delivery.from_fields({**fields, b"expires_ms": str(now_ms + 1000).encode()})
    return stopped(webhook, delivery, now or AlertNow(False, False), now_ms)


@pytest.mark.parametrize("severity", ["info", "warning"])
def test_what_can_wait_is_held_until_the_morning(severity: str) -> None:
    settlement = held_back(severity)
    assert (settlement.state, settlement.held, shown(settlement.next_ms)) == ("pending", True, "2026-06-02T07:00+02:00")


@pytest.mark.parametrize("severity", ["critical", None])
def test_what_is_critical_or_does_not_say_is_sent_at_once(severity: str | None) -> None:
    assert held_back(severity) is None


def test_in_the_morning_what_still_stands_is_sent_and_the_rest_lapses() -> None:
    morning = at("2026-06-02T07:00")
    over = AlertNow(False, run_over=False, episode_over=True)
    assert held_back("info", held=True, now_ms=morning) is None
    assert held_back("info", held=True, now=over, now_ms=morning).state == "lapsed"
    assert held_back("info", held=False, now=over, now_ms=morning) is None  # never held: sent as ever


async def in_episode(redis: Redis, episode: int) -> None:
    summary = RunSummary(steps=1, warning=True, alerts=episode)
    await redis.hset(KEYS.run(REF), mapping={"created_ms": 1, "summary": summary.to_bytes()})


def episode(number: int, severity: str = "warning") -> dict[str, Any]:
    return {"id": alert_id(REF, number, "m-1"), "run_id": "r", "episode": number, "severity": severity}


def around_now() -> QuietHours:
    """Quiet but for the hour that began twelve hours ago."""
    hour = datetime.now(UTC).hour
    return nights("UTC", f"{(hour + 13) % 24:02d}:00", f"{(hour + 12) % 24:02d}:00")


async def held_delivery(store: Any, webhook: Webhook) -> Delivery:
    async with asyncio.timeout(10):
        while True:
            for delivery in await store.deliveries_of(webhook.id, 4):
                if delivery.held:
                    found: Delivery = delivery
                    return found
            await asyncio.sleep(0.01)


async def test_a_held_alert_shows_and_goes_out_when_quiet_hours_are_lifted(
    redis: Redis, registry: WebhookRegistry, store: Any, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    await in_episode(redis, 1)
    async with receiving() as receiver, delivering():
        webhook = await registry.create("default", receiver.url, quiet_hours=around_now())
        await open_alert(**episode(1))
        held = await held_delivery(store, webhook)
        assert (held.state, held.sends, receiver.requests) == ("pending", 0, [])
        assert held.expires_ms > held.next_ms > time.time() * 1000 + 3_600_000
        await registry.change("default", webhook.id, {"quiet_hours": None})
        await store.hurry(webhook.id, 4, int(time.time() * 1000))
        (delivery,) = await settled(webhook)
    assert (delivery.sends, delivery.tries, len(receiver.requests)) == (1, 1, 1)


async def test_a_held_alert_whose_episode_is_over_by_then_lapses_unsent(
    redis: Redis, registry: WebhookRegistry, store: Any, receiving: Any, delivering: Any, open_alert: Any, settled: Any
) -> None:
    await in_episode(redis, 1)
    async with receiving() as receiver, delivering():
        webhook = await registry.create("default", receiver.url, quiet_hours=around_now())
        await open_alert(**episode(1))
        await held_delivery(store, webhook)
        await in_episode(redis, 2)
        await registry.change("default", webhook.id, {"quiet_hours": None})
        await store.hurry(webhook.id, 4, int(time.time() * 1000))
        await settled(webhook, "lapsed")
    assert receiver.requests == []


async def test_a_critical_alert_breaks_the_quiet(
    registry: WebhookRegistry, receiving: Any, delivering: Any, open_alert: Any
) -> None:
    async with receiving() as receiver, delivering():
        await registry.create("default", receiver.url, quiet_hours=around_now())
        await open_alert(**episode(1, "critical"))
        await receiver.wait_for(1)
