"""How quick a scorer is on batches of a size, for who has to choose between devices."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from monitors.features.protocol import FeatureBatch
from monitors.scorers.protocol import Scorer, to_step_runs

MIN_ROUNDS = 3
MAX_ROUNDS = 50


def measure_step_s(
    scorer: Scorer, features: FeatureBatch, states: Sequence[NDArray[np.float32]], budget_s: float
) -> float:
    """Return the median time of a batch's step in seconds, wall clock, states going from each batch into the next as a
    service's do. The first step, which loads kernels, is not counted; after `budget_s` no other round begins.
    """
    step_runs = to_step_runs(scorer)
    _, states = step_runs(features, states)
    rounds: list[float] = []
    ends = time.perf_counter() + budget_s
    while len(rounds) < MIN_ROUNDS or (len(rounds) < MAX_ROUNDS and time.perf_counter() < ends):
        start = time.perf_counter()
        _, states = step_runs(features, states)
        rounds.append(time.perf_counter() - start)
    return median(rounds)
