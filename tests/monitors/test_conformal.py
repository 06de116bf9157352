"""The threshold that keeps a promised false-alarm rate."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.conformal import conformal_rank, conformal_threshold


@pytest.mark.parametrize(
    ("n", "alpha", "rank"),
    [(9, 0.1, 9), (8, 0.1, 9), (19, 0.05, 19), (99, 0.1, 90), (100, 0.1, 91), (0, 0.1, 1), (4, 0.2, 4)],
)
def test_the_rank_is_the_ceiling_of_n_plus_one_times_one_minus_alpha(n: int, alpha: float, rank: int) -> None:
    assert conformal_rank(n, alpha) == rank


@given(st.integers(0, 5_000), st.integers(1, 99))
def test_floating_point_never_moves_the_rank(n: int, percent: int) -> None:
    assert conformal_rank(n, percent / 100) == math.ceil((n + 1) * (1 - Fraction(percent, 100)))


def test_the_threshold_is_the_run_maximum_of_that_rank() -> None:
    assert conformal_threshold([5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 8.0, 7.0, 6.0], 0.2) == 8.0
    assert conformal_threshold([5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 8.0, 7.0, 6.0], 0.1) == 9.0


def test_too_few_runs_for_the_promise_never_alert() -> None:
    assert conformal_threshold([1.0] * 8, 0.1) == math.inf
    assert conformal_threshold([], 0.5) == math.inf


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=60), st.floats(0.01, 0.9))
def test_at_most_alpha_of_the_calibration_runs_themselves_are_above(maxima: list[float], alpha: float) -> None:
    threshold = conformal_threshold(maxima, alpha)

    assert sum(one > threshold for one in maxima) <= alpha * (len(maxima) + 1) + 1e-6


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("n", [20, 53, 110])
def test_the_mean_share_of_new_runs_above_is_at_most_alpha(n: int, alpha: float) -> None:
    rng = np.random.default_rng(n)
    # The share of new uniform maxima above a threshold is one minus the threshold, exactly.
    shares = np.array([1 - conformal_threshold(rng.random(n).tolist(), alpha) for _ in range(4_000)])

    assert shares.mean() <= alpha + 3 * shares.std() / math.sqrt(shares.size)
    assert shares.mean() >= alpha - 1 / (n + 1) - 3 * shares.std() / math.sqrt(shares.size)


def test_ties_only_make_alerts_rarer() -> None:
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(2_000):
        threshold = conformal_threshold(rng.integers(0, 4, 40).tolist(), 0.3)
        shares.append((rng.integers(0, 4, 200) > threshold).mean())

    assert np.mean(shares) <= 0.3
