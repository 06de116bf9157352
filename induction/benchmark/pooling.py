"""The fits of one preset and seed as one sample: test runs of all folds, each with its fold's thresholds; floors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from induction.benchmark.fits import Fit
from induction.evaluation.sample import (
    Sample,
    to_base_rate,
    to_near_end_oracle,
    to_outcome_oracle,
    to_sample,
    to_step_index,
    to_turn_table,
)
from induction.learning.labelled import N_FOLDS

BASE_RATE, STEP_INDEX, NEAR_END, OUTCOME = "base-rate", "step-index", "near-end-oracle", "outcome-oracle"
FLOORS = (BASE_RATE, STEP_INDEX, NEAR_END, OUTCOME)
HORIZON = 3


def pool(fits: Sequence[Fit], agents: Mapping[str, str] | None = None, horizon: int = HORIZON) -> Sample:
    """Return the test runs of all fits in one order, that of folds and run ids, whoever scored them."""
    runs, folds = [], []
    for number, fit in enumerate(fits):
        runs.extend(sorted(fit.runs, key=lambda run: run.run))
        folds.extend([number] * len(fit.runs))
    maxima, offsets = [fit.success_maxima for fit in fits], [fit.offsets for fit in fits]
    return to_sample(runs, horizon, maxima, folds, agents, offsets)


def pool_fold(fit: Fit, agents: Mapping[str, str] | None = None, horizon: int = HORIZON) -> Sample:
    """Return the test runs of one fit."""
    return pool([fit], agents, horizon)


def to_floors(sample: Sample, fits: Sequence[Fit]) -> dict[str, Callable[[], Sample]]:
    """Return how to make each floor of the pooled sample.

    The base rate of a fold is that of its calibration runs: the test runs of the next fold.
    """
    return {
        BASE_RATE: lambda: to_base_rate(sample, calibration_rates(fits, sample.horizon)),
        STEP_INDEX: lambda: to_step_index(sample, [fit.success_turns for fit in fits]),
        NEAR_END: lambda: to_near_end_oracle(sample),
        OUTCOME: lambda: to_outcome_oracle(sample),
    }


def calibration_rates(fits: Sequence[Fit], horizon: int) -> list[float]:
    """Return per fit the share of turns with the label in its calibration fold, as seen when that fold was tested."""
    by_fold = {fit.key.fold: fit for fit in fits}
    rates = []
    for fit in fits:
        label = to_turn_table(by_fold[(fit.key.fold + 1) % N_FOLDS].runs, horizon).label
        rates.append(float(label.mean()) if label.size else 0.0)
    return rates


def calibration_tasks(fits: Sequence[Fit]) -> list[int]:
    """Return per fit how many tasks its threshold rests on."""
    by_fold = {fit.key.fold: fit for fit in fits}
    return [len({run.task for run in by_fold[(fit.key.fold + 1) % N_FOLDS].runs}) for fit in fits]


def describe(sample: Sample, fits: Sequence[Fit]) -> dict[str, float]:
    """Return counts: runs, tasks, turns, failures, base_rate_h3, and what thresholds rest on (means over folds)."""
    return {
        "runs": float(len(sample.runs)),
        "tasks": float(np.unique(sample.task).size),
        "turns": float(sample.table.turn.size),
        "failures": float(sample.failed.sum()),
        "base_rate_h3": float(sample.table.label.mean()),
        "calibration_successes": float(np.mean([len(fit.success_maxima) for fit in fits])),
    }
