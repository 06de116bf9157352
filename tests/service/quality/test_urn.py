"""The test that may be looked at for ever: what it flags while nothing has changed, and when something has."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from service.core.quality.urn import (
    FIRST,
    RATIOS,
    STARTS,
    Start,
    Urn,
    is_flagged,
    log_evidence,
    next_start,
)

LEVEL = 0.01
URN = Urn(11, 90)
"""Of 100 calibration successes the 90-th smallest maximum is the threshold: α = 0.1, somewhat above."""


def chance(urn: Urn, before: tuple[int, int], runs: int, hits: int) -> float:
    """The probability of so many hits among so many runs, by the urn's own rule, one run at a time."""
    balls, of = urn.hits + before[1], urn.hits + urn.misses + before[0]
    found = math.comb(runs, hits) * 1.0
    for place in range(runs):
        found *= (balls + place if place < hits else of - balls + place - hits) / (of + place)
    return found


def test_the_evidence_is_1_on_average_while_nothing_has_changed() -> None:
    urn, first, second = Urn(3, 8), 6, 5
    mean = 0.0
    for early in range(first + 1):
        starts = [FIRST, Start(1, first, early)]
        for late in range(second + 1):
            path = chance(urn, (0, 0), first, early) * chance(urn, (first, early), second, late)
            mean += path * math.exp(log_evidence(urn, starts, first + second, early + late))
    # The weights of the two starts that are there; all starts together have 1.
    assert mean == pytest.approx(1 / 2 + 1 / 6)


def test_nothing_seen_is_no_evidence() -> None:
    assert log_evidence(URN, [FIRST], 0, 0) == 0.0
    assert not is_flagged(0.0, 0.5)


def test_hits_count_for_it_and_misses_against_it() -> None:
    found = [log_evidence(URN, [FIRST], 40, hits) for hits in range(41)]
    assert all(less < more for less, more in pairwise(found))


def test_starts_go_back_over_most_of_all_runs_however_many_there_are() -> None:
    starts = [FIRST]
    while starts[-1].runs < 1_000_000:
        starts.append(Start(starts[-1].number + 1, next_start(starts[-1]), 0))
    assert len(starts) < 400
    assert starts[-STARTS].runs < 0.4 * starts[-1].runs


def watch(rng: np.random.Generator, weeks: list[int], rates: list[float]) -> int | None:
    """After how many runs a stream with so many runs a week, at these rates, is flagged; None for never."""
    starts, runs, hits = [FIRST], 0, 0
    for new, rate in zip(weeks, rates, strict=True):
        runs, hits = runs + new, hits + int(rng.binomial(new, rate))
        if is_flagged(log_evidence(URN, starts, runs, hits), LEVEL):
            return runs
        if runs >= next_start(starts[-1]):
            starts = [*starts, Start(starts[-1].number + 1, runs, hits)][-STARTS:]
    return None


def test_a_stationary_stream_is_flagged_no_more_often_than_the_level_in_200_weeks() -> None:
    rng = np.random.default_rng(6)
    flags = 0
    for _ in range(100):
        # A new draw of the calibration runs each time: its luck is part of what is promised.
        rate = rng.beta(URN.hits, URN.misses)
        flags += watch(rng, [40] * 200, [rate] * 200) is not None
    # At the level one of them on average; 5 or more would come once in 300 times.
    assert flags < 5


def test_a_test_against_the_fixed_rate_would_flag_bad_luck_in_calibrating() -> None:
    """Why it is an urn: a threshold drawn too low alerts more than α, and nothing has changed."""
    rng = np.random.default_rng(7)
    rates = rng.beta(URN.hits, URN.misses, 200)
    fixed = [log_likelihood(rate, 8000, 0.1) > -math.log(LEVEL) for rate in rates if rate > 0.1]
    assert np.mean(fixed) > 0.5


def log_likelihood(rate: float, runs: int, null: float) -> float:
    """Of the best-betting alternatives, mixed, to a fixed null rate, at the expected number of hits."""
    hits = rate * runs
    terms = [
        hits * math.log(ratio) + (runs - hits) * math.log((1 - ratio * null) / (1 - null))
        for ratio in (1.1, 1.2, 1.5, 2.0)
    ]
    return max(terms) - math.log(len(terms))


@pytest.mark.parametrize(("ratio", "within"), [(2.0, 800), (3.0, 250), (5.0, 150)])
def test_a_rate_that_rises_after_a_good_year_is_seen(ratio: float, within: int) -> None:
    rng = np.random.default_rng(8)
    delays = []
    for _ in range(20):
        rate = rng.beta(URN.hits, URN.misses)
        found = watch(rng, [20] * 200, [rate] * 50 + [min(1.0, rate * ratio)] * 150)
        delays.append(10**6 if found is None else found - 1000)
    assert min(delays) > 0
    assert np.median(delays) <= within
    assert len(RATIOS) == 5
