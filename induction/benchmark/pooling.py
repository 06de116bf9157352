"""Figures of one preset and seed over all folds of a corpus: pooled where folds share a scale, else averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from induction.benchmark.fits import Fit
from induction.evaluation.metrics import (
    ALPHAS,
    alert_metrics,
    failure_metrics,
    rank_metrics,
    to_turn_table,
)
from induction.learning.scoring import ScoredRun
from monitors.conformal import conformal_threshold

DRAWS = 200


def pool_figures(fits: Sequence[Fit], horizon: int = 3) -> dict[str, float]:
    """Return the protocol's figures.

    Ranks are of calibrated risks, pooled over the folds' test turns; auroc_fail_k and ap_fail_k are the mean of the
    folds that have enough runs of either outcome; alerts are counted over all test runs, each with its fold's
    threshold.
    """
    return _figures([(fit.runs, fit) for fit in fits], horizon)


def pool_intervals(
    fits: Sequence[Fit], horizon: int = 3, draws: int = DRAWS, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each figure: whole tasks drawn with replacement, within their folds."""
    rng = np.random.default_rng(seed)
    by_task: list[dict[str, list[ScoredRun]]] = []
    for fit in fits:
        groups: dict[str, list[ScoredRun]] = {}
        for run in fit.runs:
            groups.setdefault(run.task, []).append(run)
        by_task.append(groups)
    drawn: dict[str, list[float]] = {}
    for _ in range(draws):
        parts = []
        for fit, groups in zip(fits, by_task, strict=True):
            tasks = list(groups.values())
            parts.append(([run for place in rng.integers(0, len(tasks), len(tasks)) for run in tasks[place]], fit))
        for name, value in _figures(parts, horizon).items():
            drawn.setdefault(name, []).append(value)
    return {
        name: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)))
        for name, values in drawn.items()
        if len(values) >= draws // 2
    }


def step_index_figures(fits: Sequence[Fit], horizon: int = 3) -> dict[str, float]:
    """Return the floor: the same figures with the turn index as score and as alert statistic."""
    clocks = [
        Fit(
            fit.key,
            [_to_clock(run) for run in fit.runs],
            [float(turns) for turns in fit.success_turns],
            fit.success_turns,
        )
        for fit in fits
    ]
    figures = _figures([(fit.runs, fit) for fit in clocks], horizon)
    figures.pop("ece_h3", None)
    return figures


def _figures(parts: Sequence[tuple[list[ScoredRun], Fit]], horizon: int) -> dict[str, float]:
    runs = [run for part, _ in parts for run in part]
    table = to_turn_table(runs, horizon)
    risk = np.array([runs[run].risk[place] for run, place in zip(table.run, table.place, strict=True)])
    figures = rank_metrics(table, risk, np.clip(risk, 0.0, 1.0))
    within: dict[str, list[float]] = {}
    for part, _ in parts:
        own = to_turn_table(part, horizon)
        score = np.array([part[run].score[place] for run, place in zip(own.run, own.place, strict=True)])
        for name, value in failure_metrics(part, own, score).items():
            within.setdefault(name, []).append(value)
    figures.update({name: float(np.mean(values)) for name, values in within.items()})
    for alpha in ALPHAS:
        # Each run's score above its own fold's threshold: then one threshold, zero, serves all.
        above = [run.score - conformal_threshold(fit.success_maxima, alpha) for part, fit in parts for run in part]
        figures.update({f"{name}@{alpha:.2f}": value for name, value in alert_metrics(runs, above, 0.0).items()})
    return {name: float(value) for name, value in figures.items()}


def _to_clock(run: ScoredRun) -> ScoredRun:
    turns = run.turns.astype(np.float64)
    return ScoredRun(run.run, run.task, run.success, run.turns, run.actions, run.answered, turns, turns, turns)
