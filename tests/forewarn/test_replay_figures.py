from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forewarn.replay.figures import PlayedRun, Promise, promised_range, to_figures, to_latency


def played(success: bool, last_turn: int, alert_turn: int | None) -> PlayedRun:
    return PlayedRun("r", "r-1", "t", success, last_turn, last_turn, alert_turn)


PROMISE = Promise(0.1, 99)


def test_a_failure_alerted_before_its_last_turn_is_caught() -> None:
    assert to_figures([played(False, 10, 9)], PROMISE).caught == 1


def test_a_failure_alerted_at_its_last_turn_is_not_caught() -> None:
    assert to_figures([played(False, 10, 10)], PROMISE).caught == 0


def test_the_share_left_is_the_mean_over_caught_failures_alone() -> None:
    runs = [played(False, 10, 5), played(False, 4, 3), played(False, 8, 8), played(False, 8, None), played(True, 10, 1)]
    assert to_figures(runs, PROMISE).left_share == pytest.approx((0.5 + 0.25) / 2)


def test_an_alert_at_any_turn_of_a_success_is_a_false_alarm() -> None:
    figures = to_figures(
        [played(True, 5, 5), played(True, 5, 1), played(True, 5, None), played(True, 5, None)], PROMISE
    )
    assert (figures.false_alarms, figures.false_alarm_share) == (2, 0.5)


def test_shares_without_a_denominator_are_absent() -> None:
    figures = to_figures([], PROMISE)
    assert (figures.caught_share, figures.left_share, figures.false_alarm_share) == (None, None, None)
    assert figures.false_alarm_range is None


def test_too_few_calibration_runs_promise_no_alert_at_all() -> None:
    assert promised_range(Promise(0.1, 8), 50) == (0.0, 0.0)


def test_the_range_narrows_to_the_promise_as_runs_grow() -> None:
    low, high = promised_range(Promise(0.1, 99_999), 100_000)
    assert 0.09 < low < 0.1 < high < 0.11


@pytest.mark.parametrize(("n", "m"), [(40, 30), (99, 100), (19, 60)])
def test_the_range_holds_the_simulated_share_as_often_as_it_says(n: int, m: int) -> None:
    draw = random.Random(7)
    low, high = promised_range(Promise(0.1, n), m)
    rank = math.ceil((n + 1) * 0.9 - 1e-9)
    inside = 0
    for _ in range(3_000):
        threshold = sorted(draw.random() for _ in range(n))[rank - 1]
        share = sum(draw.random() > threshold for _ in range(m)) / m
        inside += low <= share <= high
    assert 0.94 <= inside / 3_000 <= 0.995


def test_confidence_takes_the_first_rank_that_keeps_alpha_that_often() -> None:
    # P(Binomial(100, 0.1) >= 101 - k) >= 0.9 first at k = 95: P(X >= 6) = 0.9424, P(X >= 7) = 0.8828.
    assert Promise(0.1, 100, 0.9).rank() == 95


def test_confidence_that_the_runs_do_not_support_promises_no_alert() -> None:
    assert Promise(0.1, 10, 0.999).rank() == 11


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.5]))
def test_the_range_is_a_range_of_shares(n: int, m: int, alpha: float) -> None:
    low, high = promised_range(Promise(alpha, n), m)
    assert 0 <= low <= high <= 1


def test_quantiles_are_values_that_were_measured() -> None:
    latency = to_latency([float(value) for value in range(1, 101)])
    assert latency is not None
    assert (latency.p50_ms, latency.p99_ms, latency.samples) == (50.0, 99.0, 100)


def test_nothing_measured_has_no_quantiles() -> None:
    assert to_latency([]) is None
