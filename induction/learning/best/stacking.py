"""The failure logit that is served: text logits and the network's own, in fixed shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from induction.learning.best.steps import Steps
from induction.learning.best.texts import VOTES

NETWORK_SHARE = 1.0
"""Of the network's logit beside the texts' vote, both of deviation 1. Shares fitted out of fold did worse on training
folds held out (auroc_fail_5 .55 for .61 on webshop, .63 for .67 on tau-airline, .65 for .66 on moatless, the same on
tau2-airline): over all turns a loss pays for telling long runs from short ones, and the trees know time best."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Served failure logit = network * its failure logit + text · text logits' means + intercept."""

    network: float
    text: NDArray[np.float64]
    """[N_COLUMNS]"""
    intercept: float


def fit_stack(steps: Steps, text_mean: NDArray[np.float32], network_logit: NDArray[np.float32]) -> Stack:
    """Return the fixed shares, scaled so that the sum is a logit of failing in the end.

    text_mean [S, N_COLUMNS] and network_logit [S] are of models that never saw the run. Rows are ends of turns; each
    run weighs the same.
    """
    rows = np.flatnonzero(steps.closes)
    votes = text_mean[rows].astype(np.float64)
    text = np.array(VOTES) / votes.std(0).clip(1e-6)
    text /= max((votes @ text).std(), 1e-6)
    network = NETWORK_SHARE / max(float(network_logit[rows].std()), 1e-6)
    score = votes @ text + network * network_logit[rows].astype(np.float64)
    run = steps.run[rows]
    slope, intercept = _fit_scale(score, steps.fails[run].astype(np.float64), 1.0 / np.bincount(run)[run])
    return Stack(float(slope * network), slope * text, intercept)


def _fit_scale(
    score: NDArray[np.float64], label: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, float]:
    """Return slope, above zero, and intercept of a logistic regression."""
    weight = weight / weight.sum()

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit = parameters[0] * score + parameters[1]
        slope = weight * (1.0 / (1.0 + np.exp(-logit)) - label)
        return float(weight @ (np.logaddexp(0.0, logit) - label * logit)), np.array([slope @ score, slope.sum()])

    found = minimize(loss, np.array([0.5, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.05, None), (None, None)]).x
    return float(found[0]), float(found[1])
