"""When a monitor warns."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitors.decision import DecisionRule, Standing, to_statistic

SCORES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 1)), max_size=40)


def openings(rule: DecisionRule, scores: list[float], first_turn: int = 1) -> list[int]:
    """Indexes of the scores at which an episode opens, one turn a score."""
    standing, found = Standing(), []
    for index, score in enumerate(scores):
        standing, opened = rule.next_standing(standing, first_turn + index, score, 0.5)
        if opened:
            found.append(index)
    return found


def test_a_score_equal_to_the_threshold_is_no_alert() -> None:
    rule = DecisionRule(threshold=1.0, release=0.5)

    assert openings(rule, [1.0, 1.0]) == []
    assert openings(rule, [math.nextafter(1.0, 2.0)]) == [0]


def test_an_episode_alerts_once_until_the_score_falls_to_the_release() -> None:
    rule = DecisionRule(threshold=1.0, release=0.5)

    assert openings(rule, [2.0, 0.9, 0.6, 2.0, 0.5, 0.9, 1.5]) == [0, 6]


def test_the_score_that_ends_an_episode_opens_no_other() -> None:
    rule = DecisionRule(threshold=1.0, release=1.0)

    assert openings(rule, [2.0, 1.0, 2.0]) == [0, 2]


def test_nothing_alerts_before_the_least_turn() -> None:
    rule = DecisionRule(threshold=1.0, release=0.5, min_turns=3)

    assert openings(rule, [9.0, 9.0, 9.0, 9.0]) == [2]


@given(SCORES)
def test_an_infinite_threshold_never_alerts(scores: list[float]) -> None:
    assert openings(DecisionRule(math.inf, math.inf), [*scores, 1e300]) == []


@given(SCORES, st.floats(-3, 3), st.floats(0, 2))
def test_a_run_alerts_if_and_only_if_its_greatest_score_is_above_the_threshold(
    scores: list[float], threshold: float, margin: float
) -> None:
    alerts = openings(DecisionRule(threshold, threshold - margin), scores)

    assert bool(alerts) == (max(scores, default=-math.inf) > threshold)


@given(SCORES, st.floats(-3, 3), st.floats(0, 2))
def test_episodes_are_counted_from_one_and_the_last_risk_is_remembered(
    scores: list[float], threshold: float, margin: float
) -> None:
    rule, standing, opened_so_far = DecisionRule(threshold, threshold - margin), Standing(), 0
    for index, score in enumerate(scores):
        standing, opened = rule.next_standing(standing, index, score, index / 100)
        opened_so_far += opened
        assert standing.episodes == opened_so_far
        assert standing.risk == index / 100
        assert standing.warning or not opened


OFFSETS = st.lists(st.floats(-2, 2), max_size=8)


def test_a_threshold_by_turn_is_higher_by_its_turns_offset_and_the_last_goes_on() -> None:
    rule = DecisionRule(threshold=1.0, release=0.5, offsets=(-0.75, -0.5, 0.25))

    assert [rule.threshold_at(turn) for turn in (0, 1, 2, 3, 1_000_000)] == [0.25, 0.5, 1.25, 1.25, 1.25]
    assert openings(rule, [0.5, 1.25, 1.25, 1.5]) == [3]


def test_an_episode_ends_at_the_release_of_its_turn() -> None:
    rule = DecisionRule(threshold=1.0, release=0.5, offsets=(0.0, -1.0, 0.0))

    assert openings(rule, [0.25, 0.75, 0.5, 1.25]) == [0, 3]


@given(SCORES, st.floats(-3, 3), OFFSETS)
def test_a_run_alerts_if_and_only_if_its_greatest_statistic_is_above_the_threshold(
    scores: list[float], threshold: float, offsets: list[float]
) -> None:
    alerts = openings(DecisionRule(threshold, threshold - 1, offsets=tuple(offsets)), scores)
    statistic = to_statistic(np.array(scores), np.arange(1, len(scores) + 1, dtype=np.int32), offsets)

    assert bool(alerts) == (max(statistic.tolist(), default=-math.inf) > threshold)


def test_without_offsets_the_statistic_is_the_score() -> None:
    scores = np.array([0.5, -1.0])

    assert to_statistic(scores, np.array([1, 2], np.int32), ()) is scores
