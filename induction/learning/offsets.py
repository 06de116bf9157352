"""Thresholds that vary with the turn, to warn earlier: how far each turn's threshold lies above the last one's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from induction.learning.scoring import ScoredRun

MIN_RUNS = 10
"""Runs that must reach a turn for it to have an offset of its own; later turns have that of the last which they do."""
BANDWIDTH = 0.35
"""Of the smoothing, in log(1 + turn): at turn 10 it reaches about three turns to either side."""
STRENGTH = 0.75
"""Of the median, in an offset: most share left over all failures, as the mean of five corpora (development folds); 0.5
cost half the recall and brought three quarters of that, 1 brought no more and cost twice the recall.
"""
MOST_TURNS = 200


def learn_offsets(runs: Iterable[ScoredRun]) -> list[float]:
    """Return STRENGTH times the smoothed median score of failing runs by turn, from 0, less that of the last turn: in
    logits, what that turn's threshold lies above (below, where negative) the last one's.

    Scores of failing runs rise as evidence gathers, so one flat threshold lets nearly all alerts come late. Measured
    from where failing runs usually stand by then, a score stands out early.

    Valid in finite samples: offsets that rest on *training* runs are fixed before the calibration runs are looked at.
    Score less offset is then one more statistic of a run, its maxima over successful calibration runs and a new one
    are as exchangeable as those of the score, and split conformal prediction bounds P(a new successful run ever
    alerts) by alpha, whatever the offsets are and however turns depend on one another (Vovk, Gammerman and Shafer
    2005, section 4.1: any nonconformity measure; Papadopoulos et al. 2002: one fitted on a proper training set).
    Bad offsets cost earliness or recall, never the promise. Offsets from the runs that set the threshold would.

    Training runs are scored by a network that knows them: too sure of them all, but rising with the turn as unseen
    ones do. In-sample successes are too unlike unseen ones for that.
    """
    failing = [run for run in runs if not run.success]
    turns, scores = _greatest_by_turn(failing)
    reached = np.flatnonzero(np.bincount(turns) >= MIN_RUNS) if turns.size else turns
    if not reached.size:
        return []
    order = np.argsort(scores, kind="stable")
    place, ordered = np.log1p(turns[order]), scores[order]
    medians = [_median_near(np.log1p(turn), place, ordered) for turn in range(int(reached[-1]) + 1)]
    return [round(STRENGTH * (median - medians[-1]), 4) for median in medians]


def _greatest_by_turn(runs: Iterable[ScoredRun]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (turn, greatest score of the run in it) for every turn that a run has a score in, up to MOST_TURNS."""
    found: list[tuple[int, float]] = []
    for run in runs:
        greatest: dict[int, float] = {}
        for turn, score in zip(run.turns.tolist(), run.score.tolist(), strict=True):
            greatest[turn] = max(score, greatest.get(turn, score))
        found += ((turn, score) for turn, score in greatest.items() if turn <= MOST_TURNS)
    return np.array([turn for turn, _ in found], np.int64), np.array([score for _, score in found], np.float64)


def _median_near(at: float, place: NDArray[np.float64], ordered: NDArray[np.float64]) -> float:
    """Return the median of ascending values, weighted by how near their places are."""
    mass = np.cumsum(np.exp(-0.5 * ((place - at) / BANDWIDTH) ** 2))
    return float(ordered[np.searchsorted(mass, 0.5 * mass[-1])])
