"""Fits that took no training: every failure scores 1, every success -1."""

from __future__ import annotations

import numpy as np

from induction.benchmark.fits import Fit, FitKey
from induction.learning.scoring import ScoredRun


def scored(run: str, *, success: bool, scores: list[float]) -> ScoredRun:
    """A run of one raw step a turn, each answered."""
    steps = len(scores)
    values = np.array(scores)
    return ScoredRun(
        run,
        f"task of {run}",
        success,
        np.arange(1, steps + 1, dtype=np.int32),
        np.ones(steps, np.int32),
        np.ones(steps, np.bool_),
        1 / (1 + np.exp(-values)),
        1 / (1 + np.exp(-values)),
        values,
    )


def perfect_fit(key: FitKey) -> Fit:
    """Failures score 1, successes -1; the calibration's successes reach 0."""
    runs = [
        scored(f"{key.fold}-{number}", success=number % 2 == 0, scores=[1.0 if number % 2 else -1.0] * 6)
        for number in range(12)
    ]
    return Fit(key, runs, [0.0] * 20, [6] * 20, training_runs=int(400 * key.share))


def keys() -> list[FitKey]:
    return [FitKey("tiny", "new", "default", "gru", 13, fold) for fold in range(5)]


class Fits:
    """Stands in for training: perfect fits, each key remembered."""

    def __init__(self) -> None:
        self.done: list[FitKey] = []

    def __call__(self, key: FitKey, *_: object) -> Fit:
        self.done.append(key)
        return perfect_fit(key)


def silent(*_: object) -> None:
    """Hears a fit's stages."""
