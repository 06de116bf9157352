"""Whether the promised share of false alarms is kept: thresholds from one half of the tasks, counted on the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from induction.evaluation.alerting import ALPHAS
from induction.evaluation.sample import Sample
from monitors.conformal import conformal_rank, realised_range

SPLITS = 500


def promise_figures(
    sample: Sample, alphas: Sequence[float] = ALPHAS, splits: int = SPLITS, seed: int = 0
) -> dict[str, tuple[float, float | None, float | None]]:
    """Return promise_far@α (mean over random halvings of the tasks; the central 95 % of them), promise_expected@α (α
    and the Beta range of the realised share for that many runs), promise_runs and promise_tasks (successful runs and
    tasks in the half that sets the threshold, means).

    One halving alone misses a binomial band in a fifth of the draws even when everything is right; the mean does not.
    """
    good = np.flatnonzero(~sample.failed)
    tasks = np.unique(sample.task)
    if tasks.size < 2 or good.size < 2:
        return {}
    maxima = np.array([sample.alerting[number].max() for number in good])
    order = np.argsort(maxima, kind="stable")
    maxima, owner = maxima[order], np.searchsorted(tasks, sample.task[good[order]])
    rng = np.random.default_rng(seed)
    # A random half of the tasks: those whose random number is among the smaller half.
    first = rng.random((splits, tasks.size)).argsort(1).argsort(1) < tasks.size // 2
    sets = first[:, owner]
    n = sets.sum(1)
    seen = np.cumsum(sets, axis=1)
    found: dict[str, tuple[float, float | None, float | None]] = {
        "promise_runs": (float(n.mean()), float(n.min()), float(n.max())),
        "promise_tasks": (float(first[:, np.unique(owner)].sum(1).mean()), None, None),
    }
    usable = (n > 0) & (n < good.size)
    for alpha in alphas:
        ranks = np.array([conformal_rank(int(size), alpha) for size in n])
        place = np.argmax(seen >= ranks[:, None], axis=1)
        threshold = np.where(ranks <= n, maxima[place], np.inf)
        alarms = ((maxima > threshold[:, None]) & ~sets).sum(1)
        far = alarms[usable] / (good.size - n[usable])
        low, high = np.quantile(far, [0.025, 0.975])
        found[f"promise_far@{alpha:.2f}"] = (float(far.mean()), float(low), float(high))
        found[f"promise_expected@{alpha:.2f}"] = (alpha, *realised_range(round(float(n.mean())), alpha))
    return found
