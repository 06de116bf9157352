"""The failure logit that is served: text logits and the network's own, weighed by what they were worth out of fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from induction.learning.best.steps import Steps
from induction.learning.best.texts import FAILURE_COLUMNS, N_COLUMNS

PRIOR_TASKS = 30.0
"""A stack fitted on this many tasks lies half-way between equal weights and its own: with 30 training tasks equal
weights did as well as fitted ones, with 140 and more fitted ones did better."""
PENALTY = 0.02


@dataclass(frozen=True, slots=True)
class Stack:
    """Served failure logit = network * its failure logit + text · text logits' means + intercept."""

    network: float
    text: NDArray[np.float64]
    """[N_COLUMNS]"""
    intercept: float


def fit_stack(steps: Steps, text_mean: NDArray[np.float32], network_logit: NDArray[np.float32], n_tasks: int) -> Stack:
    """Return non-negative weights of a logistic regression on the outcome, drawn towards equal ones.

    text_mean [S, N_COLUMNS] and network_logit [S] are of models that never saw the run. Rows are ends of turns; each
    run weighs the same.
    """
    rows = np.flatnonzero(steps.closes)
    columns = np.column_stack([text_mean[rows, :FAILURE_COLUMNS], network_logit[rows]]).astype(np.float64)
    middle, scale = columns.mean(0), columns.std(0).clip(1e-6)
    columns = (columns - middle) / scale
    run = steps.run[rows]
    label = steps.fails[run].astype(np.float64)
    weight = 1.0 / np.bincount(run, minlength=run.max() + 1)[run]
    weight /= weight.sum()
    equal = _fit(columns.mean(1, keepdims=True), label, weight, np.zeros(1), 0.0)
    prior = np.full(columns.shape[1], max(equal[0], 1e-3) / columns.shape[1])
    fitted = _fit(columns, label, weight, prior, PENALTY * PRIOR_TASKS / n_tasks)
    weights = fitted[:-1] / scale
    text = np.zeros(N_COLUMNS)
    text[:FAILURE_COLUMNS] = weights[:-1]
    return Stack(float(weights[-1]), text, float(fitted[-1] - weights @ middle))


def _fit(
    columns: NDArray[np.float64],
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    prior: NDArray[np.float64],
    penalty: float,
) -> NDArray[np.float64]:
    """Return non-negative weights and an intercept, [n_columns + 1]."""

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        away = parameters[:-1] - prior
        score = columns @ parameters[:-1] + parameters[-1]
        value = weight @ (np.logaddexp(0.0, score) - label * score) + 0.5 * penalty * (away @ away)
        slope = weight * (1.0 / (1.0 + np.exp(-score)) - label)
        return float(value), np.append(columns.T @ slope + penalty * away, slope.sum())

    bounds = [(0.0, None)] * prior.size + [(None, None)]
    found: NDArray[np.float64] = minimize(loss, np.append(prior, 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x
    return found
