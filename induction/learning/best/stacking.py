"""The failure logit that is served: words, run shape and the network's own, in fixed shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from induction.learning.best.steps import Steps
from induction.learning.best.texts import VOTES

NETWORK_SHARE = 1.0
SHAPE_SHARE = 0.5
"""Of the network's logit and of run shape's, beside the texts' vote, all of deviation 1. On training folds held out,
with run shape and without, auroc_fail_5: webshop .608/.604, tau-airline .696/.672, tau2-airline .740/.735, moatless
.660/.663, gaia-react .771/.764, and recall at equal false alarms .293/.258, .341/.370, .449/.407, .268/.259, .523/.523.
Shares fitted out of fold did worse on four of five, at any strength of drawing them towards fixed ones, and so did
shares by each part's own ranking out of fold: with some thirty training tasks they follow noise."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Served failure logit = network * its failure logit + text · text logits' means + shape · standardised run-shape
    numbers + intercept.
    """

    network: float
    text: NDArray[np.float64]
    """[N_COLUMNS]"""
    shape: NDArray[np.float64]
    """[n_shape]"""
    intercept: float


@dataclass(frozen=True, slots=True)
class Voices:
    """What is heard on a run's outcome, for S raw steps, of models that never saw the run."""

    text_mean: NDArray[np.float32]
    """[S, N_COLUMNS] text logits' means over turns."""
    shape: NDArray[np.float64]
    """[S] run shape's logit."""
    network: NDArray[np.float32]
    """[S] the network's failure logit, or its teachers'."""


def fit_stack(steps: Steps, voices: Voices, shape_weights: NDArray[np.float64]) -> Stack:
    """Return the fixed shares, scaled so that the sum is a logit of failing in the end.

    Rows are ends of turns; each run weighs the same. `shape_weights` [n_shape] are those that will be served.
    """
    rows = np.flatnonzero(steps.closes)
    votes = voices.text_mean[rows].astype(np.float64)
    text = np.array(VOTES) / votes.std(0).clip(1e-6)
    text /= max((votes @ text).std(), 1e-6)
    shape = SHAPE_SHARE / max(float(voices.shape[rows].std()), 1e-6)
    network = NETWORK_SHARE / max(float(voices.network[rows].std()), 1e-6)
    score = votes @ text + shape * voices.shape[rows] + network * voices.network[rows].astype(np.float64)
    run = steps.run[rows]
    slope, intercept = _fit_scale(score, steps.fails[run].astype(np.float64), 1.0 / np.bincount(run)[run])
    return Stack(float(slope * network), slope * text, slope * shape * shape_weights, intercept)


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
