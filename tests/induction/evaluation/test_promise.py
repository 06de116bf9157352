"""The promise over random halvings of the tasks."""

from __future__ import annotations

import numpy as np
import pytest

from induction.evaluation.promise import promise_figures
from induction.evaluation.sample import Sample, to_sample
from induction.learning.scoring import ScoredRun


def sample_of(maxima: list[float], tasks: int) -> Sample:
    """Successful runs of one step with these scores, over so many tasks."""
    one, yes = np.ones(1, np.int32), np.ones(1, np.bool_)
    runs = []
    for number, value in enumerate(maxima):
        score = np.array([value])
        runs.append(ScoredRun(f"r{number}", f"t{number % tasks}", True, one, one, yes, score, score, score))
    return to_sample(runs, 3, [[]])


def test_exchangeable_runs_keep_the_promise() -> None:
    maxima = np.random.default_rng(1).normal(size=400).tolist()
    figures = promise_figures(sample_of(maxima, 100))

    for alpha in (0.05, 0.10, 0.20):
        mean, low, high = figures[f"promise_far@{alpha:.2f}"]
        assert alpha - 0.02 < mean <= alpha + 0.01
        assert low is not None
        assert high is not None
        assert low < mean < high
    assert figures["promise_runs"][0] == pytest.approx(200, abs=1)
    assert figures["promise_tasks"][0] == 50


def test_too_few_runs_alert_nobody() -> None:
    assert promise_figures(sample_of([1.0, 2.0, 3.0, 4.0], 4))["promise_far@0.05"][0] == 0.0


def test_whole_tasks_change_sides() -> None:
    # Two tasks, one far above the other: whichever sets the threshold, all or none of the other's runs alert.
    figures = promise_figures(sample_of([0.0, 10.0] * 20, 2))

    assert figures["promise_far@0.20"][0] == pytest.approx(0.5, abs=0.1)


def test_the_range_that_theory_gives_stands_beside() -> None:
    value, low, high = promise_figures(sample_of([float(number) for number in range(200)], 50))["promise_expected@0.10"]

    assert low is not None
    assert high is not None
    assert 0.0 < low < value == 0.10 < high < 0.2


def test_one_task_cannot_be_halved() -> None:
    assert promise_figures(sample_of([1.0, 2.0], 1)) == {}
