"""How far a monitor's probabilities can be believed, from finished runs with known outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from induction.errors import TooFewRunsError
from induction.learning.calibrating import calibrate, risk_labels, to_logit
from induction.learning.scoring import ScoredRun
from monitors.bundle.manifest import digest_task
from monitors.reliability import BINS, Reliability, RunInBins, build_table

FOLDS = 5


def measure_reliability(runs: Sequence[ScoredRun], horizon: int) -> Reliability:
    """Return how runs went by what was said of them, at every raw step."""
    failure = [
        _to_bins(run.failure, np.full(run.turns.size, float(not run.success)), 1 / run.turns.size) for run in runs
    ]
    risk = [_to_bins(run.risk, risk_labels(run, horizon), 1.0) for run in runs]
    return Reliability(
        runs=len(runs), tasks=len({run.task for run in runs}), failure=build_table(failure), risk=build_table(risk)
    )


def cross_fit_reliability(runs: Sequence[ScoredRun], horizon: int) -> Reliability | None:
    """Return the reliability of calibration runs scored with IDENTITY maps, each through maps that were fitted on the
    other tasks' runs: what the bundle's own maps, fitted on all of them, may be believed on new ones. None where some
    runs without a fifth of the tasks have one outcome alone.
    """
    place = {task: number % FOLDS for number, task in enumerate(sorted({run.task for run in runs}, key=digest_task))}
    calibrated: list[ScoredRun] = []
    for fold in sorted(set(place.values())):
        try:
            fitted = calibrate([run for run in runs if place[run.task] != fold], horizon)
        except TooFewRunsError:
            return None
        calibrated += [
            replace(
                run,
                risk=fitted.risk.to_probability(to_logit(run.risk).astype(np.float32)),
                failure=fitted.failure.to_probability(run.score.astype(np.float32)),
            )
            for run in runs
            if place[run.task] == fold
        ]
    return measure_reliability(calibrated, horizon)


def to_json(reliability: Reliability | None) -> bytes | None:
    """Return the bytes of `reliability.json`; None for None."""
    return None if reliability is None else reliability.model_dump_json(indent=2).encode() + b"\n"


def _to_bins(said: NDArray[np.float64], came: NDArray[np.float64], weight: float) -> RunInBins:
    place = np.clip((said * BINS).astype(np.int64), 0, BINS - 1)
    sums = (np.bincount(place, values, BINS) * weight for values in (np.ones_like(said), said, came))
    return RunInBins(*(values.tolist() for values in sums))
