"""Competing risks: when a run ends and how, as one of 14 classes of a prefix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LAST_TURNS_LEFT = np.array([0, 1, 2, 3, 6, 12])
"""The most turns still to come in each class but the last: 0, 1, 2, 3, 4–6, 7–12, 13 and more."""
N_SPANS = LAST_TURNS_LEFT.size + 1
N_CLASSES = 2 * N_SPANS
"""First the spans of runs that succeed, then those of runs that fail."""


def to_classes(turns_left: NDArray[np.int64], fails: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each prefix's class, 0 … N_CLASSES - 1, from the turns still to come and the outcome."""
    return np.searchsorted(LAST_TURNS_LEFT, turns_left) + N_SPANS * fails.astype(np.int64)


def to_members(horizon: int) -> NDArray[np.float32]:
    """Return [N_CLASSES, 2]: which classes fail within the horizon (first column), and which fail at all (second).

    A horizon inside a span counts the spans that lie within it whole: at 3, as in the paper, nothing is approximated.
    """
    within = np.zeros(N_CLASSES, np.float32)
    within[N_SPANS : N_SPANS + int(np.searchsorted(LAST_TURNS_LEFT, horizon, side="right"))] = 1.0
    fails = np.zeros(N_CLASSES, np.float32)
    fails[N_SPANS:] = 1.0
    return np.stack([within, fails], 1)
