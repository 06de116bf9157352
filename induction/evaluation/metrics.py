"""Figures of scored runs: ranking per prefix, failure at a given turn, first alerts. Names and definitions:
docs/metrics.md.

All work on plain arrays, so that floors (step index, oracles) go through the same code as the monitor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from induction.learning.scoring import ScoredRun

FAIL_TURNS = (3, 5, 10)
ALPHAS = (0.05, 0.10, 0.20)
MIN_CLASS = 5
"""auroc_fail_k needs this many runs of either outcome; below, the figure is left out."""


@dataclass(frozen=True, slots=True)
class TurnTable:
    """One row a turn of every run, after its last raw step. n parallel calls make n rows with one score."""

    run: NDArray[np.int64]
    """Index of the run."""
    turn: NDArray[np.int64]
    label: NDArray[np.float64]
    """1 if the run fails and T - t <= h."""
    answered: NDArray[np.bool_]
    place: NDArray[np.int64]
    """Index of the raw step inside its run."""


def to_turn_table(runs: Sequence[ScoredRun], horizon: int) -> TurnTable:
    """Return the turns of all runs, in order."""
    index, turn, label, answered, place = [], [], [], [], []
    for number, run in enumerate(runs):
        opened = np.flatnonzero(run.actions > 0)
        for opening, last in zip(opened, run.closed_turns(), strict=True):
            for one in range(int(run.turns[opening] - run.actions[opening]) + 1, int(run.turns[opening]) + 1):
                index.append(number)
                turn.append(one)
                label.append(float(not run.success and run.last_turn - one <= horizon))
                answered.append(bool(run.answered[last]))
                place.append(int(last))
    return TurnTable(np.array(index), np.array(turn), np.array(label), np.array(answered, bool), np.array(place))


def rank_metrics(
    table: TurnTable, score: NDArray[np.float64], probability: NDArray[np.float64] | None
) -> dict[str, float]:
    """Return auprc_h3_answered, auprc_h3, auroc_h3 of a score per turn and ece_h3 of a calibrated probability;
    undefined ones are left out.
    """
    figures = {}
    for name, rows in (("auprc_h3", np.ones(score.size, bool)), ("auprc_h3_answered", table.answered)):
        if 0 < table.label[rows].sum() < rows.sum():
            figures[name] = float(average_precision_score(table.label[rows], score[rows]))
    if 0 < table.label.sum() < table.label.size:
        figures["auroc_h3"] = float(roc_auc_score(table.label, score))
    if probability is not None:
        figures["ece_h3"] = expected_calibration_error(table.label, probability)
    return figures


def expected_calibration_error(label: NDArray[np.float64], probability: NDArray[np.float64], bins: int = 10) -> float:
    """Return the mean distance of probability and frequency over equal bins of [0, 1], weighted by how many fall in
    each.
    """
    place = np.minimum((probability * bins).astype(int), bins - 1)
    total = 0.0
    for one in range(bins):
        inside = place == one
        if inside.any():
            total += inside.sum() * abs(float(label[inside].mean()) - float(probability[inside].mean()))
    return total / label.size


def failure_metrics(runs: Sequence[ScoredRun], table: TurnTable, score: NDArray[np.float64]) -> dict[str, float]:
    """Return auroc_fail_k and ap_fail_k: does the score after turn k tell failures from successes, among runs with T >
    k? Timing cannot win.
    """
    figures = {}
    failed = np.array([not run.success for run in runs])
    last = np.array([run.last_turn for run in runs])
    for k in FAIL_TURNS:
        rows = np.flatnonzero((table.turn == k) & (last[table.run] > k))
        labels = failed[table.run[rows]]
        if min(labels.sum(), (~labels).sum()) >= MIN_CLASS:
            figures[f"auroc_fail_{k}"] = float(roc_auc_score(labels, score[rows]))
            figures[f"ap_fail_{k}"] = float(average_precision_score(labels, score[rows]))
    return figures


def alert_metrics(
    runs: Sequence[ScoredRun], scores: Sequence[NDArray[np.float64]], threshold: float
) -> dict[str, float]:
    """Return far, recall and left for a threshold, over every raw step's score.

    far = share of successful runs that ever alert; recall = share of failed runs that alert strictly before their last
    turn; left = mean (T - t) / T at the first alert of those.
    """
    false_alarms = successes = caught = failures = 0
    left = []
    for run, score in zip(runs, scores, strict=True):
        above = np.flatnonzero(score > threshold)
        if run.success:
            successes += 1
            false_alarms += above.size > 0
            continue
        failures += 1
        turn = int(run.turns[above[0]]) if above.size else run.last_turn
        if turn < run.last_turn:
            caught += 1
            left.append((run.last_turn - turn) / run.last_turn)
    figures = {}
    if successes:
        figures["far"] = false_alarms / successes
    if failures:
        figures["recall"] = caught / failures
    if left:
        figures["left"] = float(np.mean(left))
    return figures


def bootstrap_over_tasks(
    runs: Sequence[ScoredRun],
    measure: Callable[[Sequence[int]], dict[str, float]],
    *,
    draws: int = 200,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each figure: whole tasks drawn with replacement, `measure` given the indexes of the
    runs drawn.
    """
    rng = np.random.default_rng(seed)
    by_task: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        by_task.setdefault(run.task, []).append(number)
    tasks = list(by_task.values())
    drawn: dict[str, list[float]] = {}
    for _ in range(draws):
        chosen = [number for place in rng.integers(0, len(tasks), len(tasks)) for number in tasks[place]]
        for name, value in measure(chosen).items():
            drawn.setdefault(name, []).append(value)
    return {
        name: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)))
        for name, values in drawn.items()
        if len(values) >= draws // 2
    }
