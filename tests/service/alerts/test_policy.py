from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.alerts.policy import Attempt, DeliveryPolicy, parse_retry_after


def failed(status: int | None = 500, retry_after_ms: int | None = None) -> Attempt:
    return Attempt(status, "HTTP 500", 1.0, retry_after_ms)


def test_the_promised_defaults_stand() -> None:
    assert asdict(DeliveryPolicy()) == {
        "max_tries": 40,
        "first_delay_ms": 500,
        "longest_delay_ms": 900_000,
        "longest_wait_ms": 3_600_000,
        "longest_rest_ms": 15_000,
        "ttl_ms": 21_600_000,
        "timeout_ms": 10_000,
        "claim_margin_ms": 5_000,
        "per_endpoint": 4,
        "in_flight": 256,
        "keep_delivered_ms": 86_400_000,
        "keep_failed_ms": 2_592_000_000,
        "disable_after_ms": 5 * 86_400_000,
        "disable_failures": 20,
    }


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_pauses_double_up_to_the_longest_and_keep_half_of_themselves(tries: int, luck: float) -> None:
    policy = DeliveryPolicy()
    whole = min(500 * 2 ** (tries - 1), 900_000)
    assert whole // 2 <= policy.delay_ms(tries, luck) <= whole


def test_retry_after_lengthens_the_pause() -> None:
    settled = DeliveryPolicy().settle(failed(429, 7_000), tries=1, now_ms=0, expires_ms=10**9)
    assert (settled.state, settled.next_ms) == ("pending", 7_000)


def test_retry_after_does_not_shorten_the_pause() -> None:
    settled = DeliveryPolicy().settle(failed(429, 1), tries=10, now_ms=0, expires_ms=10**9)
    assert settled.next_ms >= 128_000


def test_a_next_try_beyond_the_time_to_live_means_expired() -> None:
    assert DeliveryPolicy().settle(failed(), tries=1, now_ms=0, expires_ms=100).state == "expired"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    assert DeliveryPolicy().settle(failed(status), tries=1, now_ms=0, expires_ms=1).state == "delivered"


@pytest.mark.parametrize("status", [None, 301, 400, 401, 404, 429, 500, 503])
def test_anything_else_is_tried_again(status: int | None) -> None:
    assert DeliveryPolicy().settle(failed(status), tries=1, now_ms=0, expires_ms=10**9).state == "pending"


@pytest.mark.parametrize(
    ("value", "wait_ms"),
    [
        ("0", 0),
        ("120", 120_000),
        (" 3 ", 3_000),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 4_000),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 30, None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_ignored(value: str, wait_ms: int | None) -> None:
    assert parse_retry_after(value, 1_000) == wait_ms


def test_an_absurd_retry_after_is_followed_for_an_hour_and_no_longer() -> None:
    attempt = Attempt(429, "HTTP 429", 1.0, retry_after_ms=999_999_999_000)
    settlement = DeliveryPolicy().settle(attempt, tries=1, now_ms=0, expires_ms=6 * 3_600_000)
    assert (settlement.state, settlement.next_ms) == ("pending", 3_600_000)
