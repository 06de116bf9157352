"""First alerts: who is alerted, when, and at what cost in false alarms; over every raw step's score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from induction.evaluation.sample import Sample
from monitors.conformal import conformal_threshold

ALPHAS = (0.05, 0.10, 0.20)

Figures = dict[str, NDArray[np.float64]]
"""Each figure for D multiplicities of the runs [D]; NaN where undefined."""


def first_alerts(sample: Sample, chosen: NDArray[np.int64], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return [runs chosen, thresholds]: the turn of the first score strictly above; -1 where a run has none."""
    turns = np.empty((chosen.size, thresholds.size), np.int64)
    for row, number in enumerate(chosen):
        values, run = sample.alerting[number], sample.runs[number]
        # Only a new greatest score can be the first above any threshold.
        records = np.maximum.accumulate(values)
        place = np.searchsorted(records, thresholds, side="right")
        turns[row] = np.append(run.turns, -1)[place]
    return turns


def first_alerts_at(sample: Sample, thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return [R]: the turn of each run's first score strictly above its own of R thresholds; -1 where it has none."""
    turns = np.empty(len(sample.runs), np.int64)
    for threshold in np.unique(thresholds):
        chosen = np.flatnonzero(thresholds == threshold)
        turns[chosen] = first_alerts(sample, chosen, np.array([threshold]))[:, 0]
    return turns


def alert_metrics(sample: Sample, weights: NDArray[np.float64], alphas: Sequence[float] = ALPHAS) -> Figures:
    """Return far@α, recall@α, left@α, each fold (and each group that has its own) with the threshold of its own
    calibration runs.

    far = share of successful runs that ever alert; recall = share of failed runs that alert strictly before their last
    turn; left = mean (T - t) / T at the first alert of those.
    """
    alerted = np.zeros((len(sample.runs), len(alphas)))
    left = np.zeros_like(alerted)
    for chosen, maxima in sample.calibrations():
        thresholds = np.array([conformal_threshold(maxima, alpha) for alpha in alphas])
        turns = first_alerts(sample, chosen, thresholds)
        alerted[chosen] = turns >= 0
        left[chosen] = _left(turns, sample.last[chosen])
    return _count(weights, sample.failed, alerted, left, [f"@{alpha:.2f}" for alpha in alphas])


def alert_metrics_at(sample: Sample, weights: NDArray[np.float64], thresholds: NDArray[np.float64]) -> Figures:
    """Return far, recall and left for a threshold of each run [R]."""
    turns = first_alerts_at(sample, thresholds)[:, None]
    return _count(weights, sample.failed, (turns >= 0).astype(np.float64), _left(turns, sample.last), [""])


def equal_far_metrics(sample: Sample, weights: NDArray[np.float64]) -> Figures:
    """Return recall_at_far@α and left_at_far@α: equal_far_curve at each α."""
    recall, left = equal_far_curve(sample, weights, ALPHAS)
    return {f"recall_at_far@{alpha:.2f}": recall[place] for place, alpha in enumerate(ALPHAS)} | {
        f"left_at_far@{alpha:.2f}": left[place] for place, alpha in enumerate(ALPHAS)
    }


def equal_far_curve(
    sample: Sample, weights: NDArray[np.float64], alphas: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (recall, left), each [alphas, D]: what is caught, and how early, where exactly a share α of the successful
    test runs is alerted.

    One threshold for all folds sweeps the greatest scores of the successful runs; between two neighbouring points of
    (false alarms, caught, share left) figures are interpolated linearly. So monitors are compared at the same cost,
    whatever their thresholds came out as. A little optimistic for all of them alike, by one run in n + 1.
    """
    good, bad = np.flatnonzero(~sample.failed), np.flatnonzero(sample.failed)
    successes, failures = weights[:, good].sum(1), weights[:, bad].sum(1)
    maxima = np.array([sample.alerting[number].max() for number in good])
    thresholds = np.append(np.unique(maxima)[::-1], -np.inf)
    far = weights[:, good] @ (maxima[:, None] > thresholds).astype(np.float64)
    far = np.divide(far, successes[:, None], out=np.ones_like(far), where=successes[:, None] > 0)
    share = _left(first_alerts(sample, bad, thresholds), sample.last[bad])
    sums = [weights[:, bad] @ (share > 0).astype(np.float64), weights[:, bad] @ share]
    known = successes > 0
    caught, left = (np.stack([_interpolate(far, values, alpha) for alpha in alphas]) for values in sums)
    return _ratio(caught, np.where(known, failures, 0.0) + 0 * caught), _ratio(left, np.where(known, caught, 0.0))


def _interpolate(far: NDArray[np.float64], values: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """Return [D] values at far = alpha, of points [D, J] with rising far."""
    beyond = far > alpha + 1e-12
    above = np.where(beyond.any(1), np.argmax(beyond, axis=1), far.shape[1] - 1)
    below = np.maximum(above - 1, 0)
    rows = np.arange(far.shape[0])
    low, high = far[rows, below], far[rows, above]
    share = np.divide(alpha - low, high - low, out=np.zeros_like(low), where=high > low)
    result: NDArray[np.float64] = values[rows, below] + share * (values[rows, above] - values[rows, below])
    return result


def _left(turns: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return [runs, thresholds]: (T - t) / T at an alert in time, else 0; an alert in time has at least 1 / T left."""
    ends = np.maximum(last, 1)[:, None]
    return np.where(turns >= 0, np.maximum(last[:, None] - turns, 0) / ends, 0.0)


def _count(
    weights: NDArray[np.float64],
    failed: NDArray[np.bool_],
    alerted: NDArray[np.float64],
    left: NDArray[np.float64],
    suffixes: Sequence[str],
) -> Figures:
    bad, good = weights[:, failed], weights[:, ~failed]
    false_alarms, left_sums = good @ alerted[~failed], bad @ left[failed]
    caught = bad @ (left[failed] > 0).astype(np.float64)
    figures = {}
    for place, suffix in enumerate(suffixes):
        figures[f"far{suffix}"] = _ratio(false_alarms[:, place], good.sum(1))
        figures[f"recall{suffix}"] = _ratio(caught[:, place], bad.sum(1))
        figures[f"left{suffix}"] = _ratio(left_sums[:, place], caught[:, place])
    return figures


def _ratio(value: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.divide(value, of, out=np.full(value.shape, np.nan), where=of > 0)
    return result
