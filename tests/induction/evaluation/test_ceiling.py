"""The observability ceiling on simulated prefixes, where the best score there can be is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from induction.evaluation import ceiling
from induction.evaluation.ceiling import cross_fit, estimate_ceiling, expected_average_precision

Arrays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceiling, "TREES", 30)


def simulate(n_tasks: int, per_task: int, seed: int, *, strength: float) -> Arrays:
    """Features, labels, tasks and the true η. η depends on two features in a way that no line can follow."""
    rng = np.random.default_rng(seed)
    task = np.repeat(np.arange(n_tasks), per_task)
    features = rng.normal(size=(task.size, 4))
    logit = strength * (np.abs(features[:, 0]) - 0.8) + strength * (features[:, 1] > 0.5) - 1.5
    eta = 1 / (1 + np.exp(-logit))
    label = (rng.random(task.size) < eta).astype(np.float64)
    return features, label, task, eta


def true_ceiling(strength: float) -> float:
    """Average precision of the true η, over many labels."""
    _, label, _, eta = simulate(100, 1_000, 99, strength=strength)
    return float(average_precision_score(label, eta))


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_the_interval_holds_the_ceiling_that_is_known(strength: float) -> None:
    features, label, task, _ = simulate(80, 100, 1, strength=strength)

    found = estimate_ceiling(features, label, task)

    assert found is not None
    truth = true_ceiling(strength)
    # Trees are a little too weak for 8,000 turns: the estimate leans low, as the docstring says.
    assert found.lo <= truth <= found.hi + 0.03
    assert found.value == pytest.approx(truth, abs=0.04)
    assert abs(found.gap) < 0.05


def test_prefixes_that_show_nothing_have_the_base_rate_for_a_ceiling() -> None:
    rng = np.random.default_rng(2)
    features, task = rng.normal(size=(3_000, 4)), np.repeat(np.arange(60), 50)
    label = (rng.random(3_000) < 0.2).astype(np.float64)

    found = estimate_ceiling(features, label, task)

    assert found is not None
    assert found.value == pytest.approx(0.2, abs=0.04)


def test_prefixes_that_show_everything_have_no_ceiling_below_1() -> None:
    rng = np.random.default_rng(3)
    features, task = rng.normal(size=(3_000, 2)), np.repeat(np.arange(60), 50)

    found = estimate_ceiling(features, (features[:, 0] > 0.8).astype(np.float64), task)

    assert found is not None
    assert found.value > 0.97


def test_what_tells_tasks_apart_and_nothing_else_lifts_no_ceiling() -> None:
    # Each task has its own failure rate and its own mark; marks of other tasks teach nothing about it.
    rng = np.random.default_rng(4)
    task = np.repeat(np.arange(60), 50)
    rate = rng.choice([0.05, 0.6], size=60)
    features = np.column_stack([rng.permutation(60)[task] + rng.normal(0, 0.01, task.size), rng.normal(size=task.size)])
    label = (rng.random(task.size) < rate[task]).astype(np.float64)

    found = estimate_ceiling(features, label, task)

    assert found is not None
    assert found.value < label.mean() + 0.12


def test_a_score_that_was_reached_is_a_lower_bound() -> None:
    features, label, task, eta = simulate(40, 50, 5, strength=3.0)
    blind = np.random.default_rng(6).normal(size=features.shape)

    without = estimate_ceiling(blind, label, task)
    beside = estimate_ceiling(blind, label, task, {"oracle": eta})

    assert without is not None
    assert beside is not None
    assert beside.value == pytest.approx(average_precision_score(label, eta))
    assert without.value < beside.value - 0.1


def test_the_plug_in_is_the_mean_over_labels_drawn_from_eta() -> None:
    rng = np.random.default_rng(7)
    eta = np.round(rng.beta(0.5, 2.0, 4_000), 2)
    drawn = [average_precision_score(rng.random(eta.size) < eta, eta) for _ in range(40)]

    found = expected_average_precision(eta, np.zeros(eta.size, np.int64), np.ones((1, 1)))

    assert found[0] == pytest.approx(np.mean(drawn), abs=0.005)


def test_a_turn_is_scored_by_models_that_saw_nothing_of_its_task() -> None:
    features, label, task, _ = simulate(30, 20, 8, strength=3.0)
    one = task == 7
    flipped = np.where(one, 1 - label, label)

    assert (cross_fit(features, label, task)[one] == cross_fit(features, flipped, task)[one]).all()


def test_too_few_turns_or_tasks_give_no_estimate() -> None:
    features, label, task, _ = simulate(30, 20, 9, strength=1.0)

    assert estimate_ceiling(features, np.zeros(label.size), task) is None
    assert estimate_ceiling(features, label, task % 4) is None


def test_the_same_seed_gives_the_same_estimate() -> None:
    features, label, task, _ = simulate(20, 30, 10, strength=2.0)

    assert estimate_ceiling(features, label, task, seed=3) == estimate_ceiling(features, label, task, seed=3)
