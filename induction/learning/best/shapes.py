"""A linear model of run shape: the outcome from run-shape numbers, beside the models of words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from induction.learning.best.steps import Steps

RIDGE = 0.3
"""Penalty on weights of standardised numbers beside a mean loss. On training folds held out 0.03, 0.1 and 0.3 were
within .01 of one another; the greatest was best on the corpus with the fewest runs a task."""
MAX_DEVIATIONS = 5.0
PRIOR_RUNS = 10
"""How many runs of the usual failure rate stand beside those that reach a turn."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Standardises features as the network does: cut at MAX_DEVIATIONS."""

    mean: NDArray[np.float32]
    factor: NDArray[np.float32]

    @staticmethod
    def of(features: NDArray[np.float32]) -> Scale:
        """Return the scale of features [S, n]: mean 0, deviation 1."""
        return Scale(features.mean(0), 1.0 / np.maximum(features.std(0), 1e-3))

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features [S, n] standardised."""
        numbers: NDArray[np.float32] = np.clip((features - self.mean) * self.factor, -MAX_DEVIATIONS, MAX_DEVIATIONS)
        return numbers


def fit_shape(steps: Steps, numbers: NDArray[np.float32], train: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return weights [n_shape] of a logistic regression of failing in the end on standardised run-shape numbers
    [S, n_shape], learned from the runs of the mask `train` [R].

    Rows are ends of turns; each run weighs the same. What the turn alone says (runs that go on fail more often, or
    less) is given beforehand, so that the weights are left with what tells runs of one length apart.
    """
    rows = np.flatnonzero(steps.closes & train[steps.run])
    run = steps.run[rows]
    weight = 1.0 / np.bincount(run)[run]
    weight /= weight.sum()
    label = steps.fails[run].astype(np.float64)
    examples = numbers[rows].astype(np.float64)
    given = _say_turns(steps, train)[steps.turns[rows]]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, intercept = parameters[:-1], parameters[-1]
        logit = examples @ weights + intercept + given
        slope = weight * (1.0 / (1.0 + np.exp(-logit)) - label)
        value = weight @ (np.logaddexp(0.0, logit) - label * logit) + 0.5 * RIDGE * (weights @ weights)
        return float(value), np.append(examples.T @ slope + RIDGE * weights, slope.sum())

    weights: NDArray[np.float64] = minimize(
        loss, np.zeros(examples.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200}
    ).x[:-1]
    return weights


def read_shape(steps: Steps, numbers: NDArray[np.float32], inner: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return logits [S] out of fold: each run's from a model of the other inner folds [R]."""
    logits = np.zeros(steps.run.size)
    for fold in range(int(inner.max()) + 1):
        own = inner[steps.run] == fold
        logits[own] = numbers[own] @ fit_shape(steps, numbers, inner != fold)
    return logits


def _say_turns(steps: Steps, train: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return [T + 1] the log odds of failing among the turns that are the t-th of their run, less the usual ones; each
    weighs as in the loss, the share of its run.
    """
    last, fails = steps.last_turn[train], steps.fails[train]
    usual = float(fails.mean().clip(1e-3, 1.0 - 1e-3))
    share = 1.0 / np.maximum(last, 1)
    prior = PRIOR_RUNS * share.mean()
    reached = last[None, :] >= np.arange(int(steps.last_turn.max()) + 1)[:, None]
    rate = (reached @ (share * fails) + prior * usual) / (reached @ share + prior)
    odds: NDArray[np.float64] = np.log(rate / (1.0 - rate)) - np.log(usual / (1.0 - usual))
    return odds
