"""Figures of scored runs: ranking per turn, failure at a given turn, alerts. Names and definitions: docs/metrics.md.

Every figure is computed for D multiplicities of the runs at once, [D, R] in, [D] out: the figure itself is one draw of
ones, an interval 200 draws of tasks, so that both go through the same code. Undefined is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from induction.evaluation.alerting import Figures, alert_metrics, equal_far_metrics
from induction.evaluation.ranking import Ranking, rank
from induction.evaluation.sample import Sample

FAIL_TURNS = (3, 5, 10)
MIN_CLASS = 5
"""A fold counts for auroc_fail_k with this many runs of either outcome; below, it is left out."""
DRAWS = 200
_Measure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_CELLS = 2_000_000
"""Draws are measured so many at a time that an array of draws × turns stays below this: 16 MB."""


def measure(sample: Sample) -> dict[str, float]:
    """Return every figure that is defined for the sample."""
    figures = measure_draws(sample, np.ones((1, len(sample.runs))))
    return {name: float(values[0]) for name, values in figures.items() if np.isfinite(values[0])}


def measure_draws(sample: Sample, weights: NDArray[np.float64]) -> Figures:
    """Return every figure for multiplicities [D, R] of the runs."""
    turns = _turn_rankings(sample)
    failures = [_failure_rankings(sample, k) for k in FAIL_TURNS]
    step = max(1, _CELLS // max(sample.table.turn.size, 1))
    parts: list[Figures] = []
    for start in range(0, weights.shape[0], step):
        part = weights[start : start + step]
        found = {name: function(part) for name, function in turns.items()}
        for k, rankings in zip(FAIL_TURNS, failures, strict=True):
            found.update(_failure_metrics(rankings, part, k))
        parts.append(found | alert_metrics(sample, part) | equal_far_metrics(sample, part))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rank_metrics(sample: Sample, weights: NDArray[np.float64]) -> Figures:
    """Return auprc_h3_answered, auprc_h3 and auroc_h3 of the risk, and ece_h3 where it is a probability."""
    return {name: function(weights) for name, function in _turn_rankings(sample).items()}


def failure_metrics(sample: Sample, weights: NDArray[np.float64]) -> Figures:
    """Return auroc_fail_k, ap_fail_k: does the score after turn k tell failures from successes, among runs with T > k?
    Timing cannot win.

    The mean over the folds that have MIN_CLASS runs of either outcome; auroc_fail_k_folds says how many have.
    auroc_fail_k_within_agent and _within_task look at pairs of runs of one fold and one agent, or one task, alone.
    """
    found: Figures = {}
    for k in FAIL_TURNS:
        found.update(_failure_metrics(_failure_rankings(sample, k), weights, k))
    return found


def draw_tasks(sample: Sample, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """Return multiplicities [draws, R]: whole tasks drawn with replacement, within their folds.

    Where a task has runs in several folds (known tasks), tasks are drawn over all folds. The same runs in the same
    order get the same draws whoever scored them, so that differences are paired.
    """
    rng = np.random.default_rng(seed)
    home = np.full(sample.task.max() + 1, -1, np.int64)
    home[sample.task] = sample.fold
    if (home[sample.task] != sample.fold).any():
        home[:] = 0
    counts = np.zeros((draws, home.size))
    for fold in range(int(home.max()) + 1):
        tasks = np.flatnonzero(home == fold)
        if tasks.size:
            counts[:, tasks] = rng.multinomial(tasks.size, np.full(tasks.size, 1.0 / tasks.size), size=draws)
    return counts[:, sample.task]


def to_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return the central 95 % of the draws in which a figure is defined; None if that is less than half of them."""
    known = values[np.isfinite(values)]
    if known.size < max(values.size / 2, 1):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def expected_calibration_error(
    label: NDArray[np.float64],
    probability: NDArray[np.float64],
    run: NDArray[np.int64],
    weights: NDArray[np.float64],
    bins: int = 10,
) -> NDArray[np.float64]:
    """Return the mean distance of probability and frequency over equal bins of [0, 1], weighted by how many fall in
    each.
    """
    place = np.minimum((probability * bins).astype(int), bins - 1)
    excess, rows = np.zeros((weights.shape[1], bins)), np.zeros(weights.shape[1])
    np.add.at(excess, (run, place), label - probability)
    np.add.at(rows, run, 1.0)
    total = weights @ rows
    off = np.abs(weights @ excess).sum(1)
    error: NDArray[np.float64] = np.divide(off, total, out=np.full(total.shape, np.nan), where=total > 0)
    return error


def _turn_rankings(sample: Sample) -> dict[str, _Measure]:
    table, positive = sample.table, sample.table.label > 0
    answered = table.answered
    everything = rank(sample.risk, positive, table.run)
    found: dict[str, _Measure] = {
        "auprc_h3_answered": rank(sample.risk[answered], positive[answered], table.run[answered]).average_precision,
        "auprc_h3": everything.average_precision,
        "auroc_h3": everything.area_under_roc,
    }
    if sample.calibrated:
        probability = np.clip(sample.risk, 0.0, 1.0)
        found["ece_h3"] = lambda weights: expected_calibration_error(table.label, probability, table.run, weights)
    return found


@dataclass(frozen=True, slots=True)
class _AtTurn:
    """The runs of one fold that go on after turn k: all as one group, by agent, by task."""

    all: Ranking
    agents: Ranking
    tasks: Ranking


def _failure_rankings(sample: Sample, k: int) -> list[_AtTurn]:
    table = sample.table
    rows = np.flatnonzero((table.turn == k) & (sample.last[table.run] > k))
    found = []
    for fold in range(sample.n_folds):
        inside = rows[sample.fold[table.run[rows]] == fold]
        run, score = table.run[inside], sample.score[inside]
        known = sample.agent[run] >= 0
        found.append(
            _AtTurn(
                rank(score, sample.failed[run], run),
                rank(score[known], sample.failed[run[known]], run[known], sample.agent[run[known]]),
                rank(score, sample.failed[run], run, sample.task[run]),
            )
        )
    return found


def _failure_metrics(rankings: list[_AtTurn], weights: NDArray[np.float64], k: int) -> Figures:
    folds = {
        f"auroc_fail_{k}": [(at.all, at.all.area_under_roc(weights)) for at in rankings],
        f"ap_fail_{k}": [(at.all, at.all.average_precision(weights)) for at in rankings],
        f"auroc_fail_{k}_within_agent": [(at.agents, at.agents.area_under_roc(weights)) for at in rankings],
        f"auroc_fail_{k}_within_task": [(at.tasks, at.tasks.area_under_roc_in_tasks(weights)) for at in rankings],
    }
    found: Figures = {}
    for name, values in folds.items():
        counts = np.stack([ranking.class_weights(weights) >= MIN_CLASS for ranking, _ in values])
        sums = np.where(counts, np.nan_to_num(np.stack([value for _, value in values])), 0.0).sum(0)
        n_folds = counts.sum(0)
        found[name] = np.divide(sums, n_folds, out=np.full(sums.shape, np.nan), where=n_folds > 0)
        if not name.startswith("ap"):
            found[f"{name}_folds"] = n_folds.astype(np.float64)
    return found
