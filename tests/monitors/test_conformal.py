"""The threshold that keeps a promised false-alarm rate."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.regression import SplitConformalRegressor
from scipy.stats import beta
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from monitors.conformal import (
    ALPHAS,
    confident_alpha,
    conformal_rank,
    conformal_threshold,
    fewest_runs,
    finest_alpha,
    kept_share,
    promise,
    realised_range,
)
from monitors.decision import DecisionRule, to_statistic


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


@pytest.mark.parametrize("n", [21, 40, 57, 110, 250])
def test_the_threshold_is_the_one_that_mapie_finds(n: int) -> None:
    """MAPIE's upper bound around a prediction of 0 is the conformal quantile of |y|: of run maxima above 0, ours."""
    maxima = np.random.default_rng(n).gamma(2.0, size=n)
    nothing = np.zeros((n, 1))
    zero = DummyRegressor(strategy="constant", constant=0.0).fit(nothing, maxima)
    # MAPIE refuses rates for which n is within one of too small.
    alphas = [alpha for alpha in ALPHAS if n > 1 / alpha]
    regressor = SplitConformalRegressor(zero, confidence_level=[1 - alpha for alpha in alphas], prefit=True)
    _, bounds = regressor.conformalize(nothing, maxima).predict_interval(nothing[:1])

    assert alphas
    assert bounds[0, 1] == pytest.approx([conformal_threshold(maxima.tolist(), alpha) for alpha in alphas], rel=1e-12)


@pytest.mark.parametrize("n", [40, 110])
def test_a_threshold_by_turn_is_the_one_that_mapie_finds_around_the_offsets(n: int) -> None:
    """MAPIE predicts a run's worst turn as its offset: the residual above is our statistic, its upper bound our
    threshold at that turn.
    """
    rng = np.random.default_rng(n)
    offsets = [-1.5, -1.0, -0.5, 0.0]
    turns = np.arange(6, dtype=np.int32)
    statistic = np.stack([to_statistic(scores, turns, offsets) for scores in rng.gamma(4.0, size=(n, 6))])
    worst = statistic.argmax(1)
    x = np.array(offsets)[np.minimum(worst, 3)][:, None]
    identity = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    regressor = SplitConformalRegressor(identity, confidence_level=0.9, prefit=True)
    _, bounds = regressor.conformalize(x, x[:, 0] + statistic.max(1)).predict_interval(np.array(offsets)[:, None])
    rule = DecisionRule(conformal_threshold(statistic.max(1).tolist(), 0.1), 0.0, offsets=tuple(offsets))

    assert bounds[:, 1, 0] == pytest.approx([rule.threshold_at(turn) for turn in range(4)], rel=1e-12)


@given(st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40), st.integers(1, 60))
def test_the_threshold_is_the_least_maximum_with_enough_runs_at_or_below_it(maxima: list[float], percent: int) -> None:
    """The definition of the quantile by brute force, ties and all, with the new run counted among those above."""
    n, share = len(maxima), 1 - Fraction(percent, 100)
    enough = [one for one in maxima if sum(other <= one for other in maxima) >= share * (n + 1)]

    assert conformal_threshold(maxima, percent / 100) == min(enough, default=math.inf)


@pytest.mark.parametrize(("n", "alpha"), [(40, 0.1), (110, 0.1), (60, 0.2)])
def test_the_realised_rate_lies_in_its_stated_range_in_the_stated_share_of_calibrations(n: int, alpha: float) -> None:
    rng = np.random.default_rng(n)
    realised = np.array([1 - conformal_threshold(rng.random(n).tolist(), alpha) for _ in range(4_000)])

    low, high = realised_range(n, alpha)

    assert ((realised >= low) & (realised <= high)).mean() == pytest.approx(0.9, abs=0.02)
    assert (realised < low).mean() == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_a_confident_promise_is_kept_in_the_stated_share_of_calibrations(confidence: float) -> None:
    rng = np.random.default_rng(1)
    n, alpha = 80, 0.1
    stricter = confident_alpha(n, alpha, confidence)
    realised = np.array([1 - conformal_threshold(rng.random(n).tolist(), stricter) for _ in range(4_000)])

    assert stricter < alpha
    assert (realised <= alpha).mean() >= confidence - 0.015


@given(st.integers(0, 400), st.floats(0.01, 0.5), st.floats(0.5, 0.99))
def test_a_confident_promise_takes_the_loosest_rank_that_keeps_it(n: int, alpha: float, confidence: float) -> None:
    rank = conformal_rank(n, confident_alpha(n, alpha, confidence))

    assert rank >= min(conformal_rank(n, alpha), n + 1)
    if rank <= n:
        assert beta.cdf(alpha, n + 1 - rank, rank) >= confidence - 1e-9
    looser = rank - 1
    if looser >= max(conformal_rank(n, alpha), 1):
        assert beta.cdf(alpha, n + 1 - looser, looser) < confidence + 1e-9


def test_without_a_confidence_the_promise_is_kept_on_average() -> None:
    assert confident_alpha(50, 0.1, None) == 0.1


def test_too_few_runs_give_no_range() -> None:
    assert realised_range(5, 0.05) == (0.0, 0.0)
    assert conformal_threshold([0.0] * 5, confident_alpha(5, 0.1, 0.9)) == math.inf


@given(st.integers(1, 600), st.data())
def test_the_share_of_calibrations_is_the_beta_distribution(n: int, data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, n))
    rate = data.draw(st.floats(0.001, 0.999))

    assert kept_share(n, rank, rate) == pytest.approx(beta.cdf(rate, n + 1 - rank, rank), abs=1e-10)


@pytest.mark.parametrize("n", [9, 53, 110, 5_000])
@pytest.mark.parametrize("alpha", [0.1, 0.2])
def test_the_stated_range_holds_the_quantiles_of_the_beta_distribution(n: int, alpha: float) -> None:
    rank = conformal_rank(n, alpha)

    assert realised_range(n, alpha) == pytest.approx(beta.ppf([0.05, 0.95], n + 1 - rank, rank), abs=1e-10)


@given(st.floats(0.005, 0.5), st.none() | st.floats(0.5, 0.99))
def test_the_fewest_runs_are_the_fewest_that_alert(alpha: float, confidence: float | None) -> None:
    n = fewest_runs(alpha, confidence)

    assert promise([0.0] * n, alpha, confidence).threshold == 0.0
    assert promise([0.0] * (n - 1), alpha, confidence).threshold is None


@given(st.integers(1, 2_000), st.none() | st.floats(0.5, 0.99))
def test_nothing_finer_than_the_finest_rate_is_supported(n: int, confidence: float | None) -> None:
    finest = finest_alpha(n, confidence)

    assert fewest_runs(finest * 1.001, confidence) <= n < fewest_runs(finest * 0.99, confidence)


def test_a_promise_that_the_runs_cannot_support_says_how_many_would() -> None:
    kept = promise([1.0] * 60, 0.01)

    assert (kept.threshold, kept.needs, kept.realised_range) == (None, 99, (0.0, 0.0))


def test_a_looser_promise_never_has_a_higher_threshold() -> None:
    maxima = np.random.default_rng(5).normal(size=150).tolist()
    thresholds = [promise(maxima, alpha).threshold for alpha in ALPHAS]

    assert None not in thresholds
    assert thresholds == sorted(thresholds, reverse=True)
