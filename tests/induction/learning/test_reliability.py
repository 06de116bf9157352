"""How far a bundle's probabilities can be believed, measured on runs whose maps were fitted without them."""

from __future__ import annotations

import numpy as np

from induction.learning.calibrating import calibrate
from induction.learning.reliability import cross_fit_reliability, measure_reliability
from induction.learning.scoring import ScoredRun
from tests.induction.learning.test_calibrating import scored


def runs_of(rng: np.random.Generator, n: int, factor: float) -> list[ScoredRun]:
    """Runs of which the failure logit, times `factor`, is the true one."""
    found = []
    for task in range(n):
        logit = float(rng.normal(0, 1.5))
        fails = rng.random() < 1 / (1 + np.exp(-logit))
        found.append(scored(not fails, [logit / factor] * 3, task=f"t{task}"))
    return found


def test_maps_that_are_fitted_on_other_tasks_are_nearly_as_good_where_there_are_many() -> None:
    reliability = cross_fit_reliability(runs_of(np.random.default_rng(1), 800, factor=3.0), horizon=1)

    assert reliability is not None
    assert (reliability.runs, reliability.tasks) == (800, 800)
    assert (reliability.failure.error or 1) < 0.06
    assert sum(one is not None for one in reliability.failure.bins) >= 8


def test_each_run_goes_through_a_map_that_was_fitted_without_its_task() -> None:
    runs = runs_of(np.random.default_rng(2), 10, factor=0.2)
    cross = cross_fit_reliability(runs, horizon=1)
    own = calibrate(runs, 1).failure
    said = [own.to_probability(run.score.astype(np.float32))[0] for run in runs]

    assert cross is not None
    told = sorted(one.said for one in cross.failure.bins if one is not None)
    assert not np.allclose(told[-1], max(said), atol=1e-6)


def test_runs_weigh_the_same_for_failure_and_steps_for_risk() -> None:
    long = scored(True, [2.0] * 30, task="a")
    short = scored(False, [2.0], task="b")
    reliability = measure_reliability([long, short], horizon=3)

    failure, risk = reliability.failure.bins[8], reliability.risk.bins[8]
    assert failure is not None
    assert risk is not None
    assert failure.came == 0.5
    assert abs(risk.came - 1 / 31) < 1e-9


def test_too_few_runs_of_one_outcome_give_none() -> None:
    runs = [scored(True, [0.0], task=f"t{number}") for number in range(9)] + [scored(False, [1.0], task="t9")]
    assert cross_fit_reliability(runs, horizon=3) is None
