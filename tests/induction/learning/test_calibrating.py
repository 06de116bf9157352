"""Probabilities and threshold from held-out runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from induction.errors import TooFewRunsError
from induction.learning.calibrating import calibrate, risk_labels
from induction.learning.scoring import ScoredRun


def scored(
    success: bool,
    scores: list[float],
    *,
    turns: list[int] | None = None,
    task: str = "t",
    risk: list[float] | None = None,
) -> ScoredRun:
    """Return a scored run with one raw step a turn, unless told otherwise."""
    places = np.array(turns or range(1, len(scores) + 1), np.int32)
    score = np.array(scores)
    return ScoredRun(
        run="r",
        task=task,
        success=success,
        turns=places,
        actions=np.diff(places, prepend=0).astype(np.int32),
        answered=np.ones(places.size, np.bool_),
        risk=np.array(risk) if risk is not None else 1 / (1 + np.exp(-score)),
        failure=1 / (1 + np.exp(-score)),
        score=score,
    )


def test_the_greatest_scores_of_the_successes_come_sorted_with_their_turns_beside_them() -> None:
    runs = [scored(True, [0.0, 3.0, 1.0]), scored(True, [-1.0, -2.0]), scored(False, [9.0]), scored(True, [1.0] * 5)]

    record = calibrate(runs, 3)

    assert record.success_maxima == [-1.0, 1.0, 3.0]
    assert record.success_turns == [2, 5, 3]


def test_scores_in_the_middle_of_a_turn_count_for_the_maximum() -> None:
    runs = [scored(True, [0.0, 5.0, 1.0], turns=[1, 1, 2]), scored(False, [9.0])]

    assert calibrate(runs, 3).success_maxima == [5.0]


def test_runs_and_tasks_are_counted() -> None:
    record = calibrate(
        [scored(True, [0.0], task="a"), scored(False, [1.0], task="a"), scored(False, [1.0], task="b")], 3
    )

    assert (record.runs, record.tasks) == (3, 2)


def test_each_run_weighs_the_same_whatever_its_length() -> None:
    failed, succeeded = scored(False, [1.0, 1.0]), scored(True, [0.0] * 50)

    assert calibrate([failed, succeeded], 3).base_risk == pytest.approx(0.5)


def test_the_label_is_failing_within_the_horizon_in_turns() -> None:
    run = scored(False, [0.0] * 6, turns=[0, 1, 1, 4, 5, 6])

    assert risk_labels(run, 2).tolist() == [0, 0, 0, 1, 1, 1]
    assert not risk_labels(scored(True, [0.0] * 6), 2).any()


def test_probabilities_are_right_where_logits_were_a_factor_and_a_shift_off() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=4_000)
    failed = rng.random(4_000) < 1 / (1 + np.exp(-logits))
    runs = [
        scored(not fails, [logit * 3 + 1], task=f"t{number}")
        for number, (logit, fails) in enumerate(zip(logits, failed, strict=True))
    ]

    failure = calibrate(runs, 3).failure

    assert failure.slope == pytest.approx(1 / 3, rel=0.1)
    assert failure.intercept == pytest.approx(-1 / 3, abs=0.12)


def test_a_score_that_ranks_backwards_says_the_base_rate_and_keeps_its_order() -> None:
    runs = [scored(True, [3.0]), scored(True, [4.0]), scored(False, [-3.0]), scored(True, [5.0])]

    failure = calibrate(runs, 3).failure

    assert failure.slope > 0
    assert failure.to_probability(np.array([-3.0, 5.0], np.float32)) == pytest.approx([0.25, 0.25], abs=0.01)


def test_probabilities_of_exactly_zero_and_one_do_no_harm() -> None:
    runs = [scored(True, [0.0], risk=[0.0]), scored(False, [1.0], risk=[1.0]), scored(False, [1.0], risk=[0.0])]

    assert math.isfinite(calibrate(runs, 3).risk.intercept)


@pytest.mark.parametrize("successes", [[], [True, True], [False]])
def test_runs_of_one_outcome_alone_cannot_calibrate(successes: list[bool]) -> None:
    with pytest.raises(TooFewRunsError, match="both outcomes"):
        calibrate([scored(success, [1.0]) for success in successes], 3)
