"""Average precision and area under ROC for many multiplicities of the same runs: sorted once, then only sums.

A bootstrap draw of tasks is a multiplicity for each run, so that 200 draws cost 200 cumulative sums and no sorting.
Checked against scikit-learn's `sample_weight` in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ranking:
    """n rows by group and rising score, with where each row's group and tie begin and end."""

    run: NDArray[np.int64]
    """[n] index of the run, in [0, R)."""
    positive: NDArray[np.bool_]
    tie: tuple[NDArray[np.int64], NDArray[np.int64]]
    """[n] first row and one past the last row with the same group and score."""
    group: tuple[NDArray[np.int64], NDArray[np.int64]]
    """[n] first row and one past the last row of the same group."""

    def average_precision(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [D] for weights [D, R], whatever the groups; NaN unless both classes have weight."""
        drawn = weights[:, self.run]
        positives = np.where(self.positive, drawn, 0.0)
        starts = self.tie[0][self.positive]
        total, total_positive = drawn.sum(1, keepdims=True), positives.sum(1, keepdims=True)
        found = total - _cumulate(drawn)[:, starts]
        right = total_positive - _cumulate(positives)[:, starts]
        precision = np.divide(right, found, out=np.zeros_like(found), where=found > 0)
        value = (drawn[:, self.positive] * precision).sum(1)
        both = (total_positive > 0) & (total > total_positive)
        return _divide(value, np.where(both, total_positive, 0.0)[:, 0])

    def area_under_roc(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [D]: the share of pairs of a positive and a negative row of one group that are in the right order,
        ties counting half; NaN without such a pair.
        """
        right, pairs = self._pairs(weights)
        drawn = weights[:, self.run[self.positive]]
        return _divide((drawn * right).sum(1), (drawn * pairs).sum(1))

    def area_under_roc_in_tasks(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same where groups are tasks, which are drawn whole: a task drawn twice is two tasks, and no pair
        is made across the two.
        """
        right, pairs = self._pairs(np.ones((1, weights.shape[1])))
        drawn = weights[:, self.run[self.positive]]
        return _divide((drawn * right).sum(1), (drawn * pairs).sum(1))

    def class_weights(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [D]: the weight of the lighter class, among groups that hold both."""
        drawn = weights[:, self.run]
        classes = (np.where(self.positive, drawn, 0.0), np.where(self.positive, 0.0, drawn))
        start, end = self.group
        sums = [_cumulate(part) for part in classes]
        beside = [total[:, end] - total[:, start] for total in reversed(sums)]
        lighter: NDArray[np.float64] = np.minimum(
            *((part * (others > 0)).sum(1) for part, others in zip(classes, beside, strict=True))
        )
        return lighter

    def _pairs(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For each positive row [D, p]: the weight of the negative rows of its group below it (ties half), and of all
        of them.
        """
        negatives = _cumulate(np.where(self.positive, 0.0, weights[:, self.run]))
        (tie_start, tie_end), (start, end) = self.tie, self.group
        before = negatives[:, start[self.positive]]
        below = 0.5 * (negatives[:, tie_start[self.positive]] + negatives[:, tie_end[self.positive]]) - before
        return below, negatives[:, end[self.positive]] - before


def rank(
    score: NDArray[np.float64],
    positive: NDArray[np.bool_],
    run: NDArray[np.int64],
    group: NDArray[np.int64] | None = None,
) -> Ranking:
    """Return rows [n] as a Ranking; without `group` all are one group."""
    groups = np.zeros(score.size, np.int64) if group is None else group
    order = np.lexsort((score, groups))
    groups, values = groups[order], score[order]
    new_group = np.diff(groups) != 0
    return Ranking(
        run[order],
        positive[order],
        _stretches(new_group | (np.diff(values) != 0), score.size),
        _stretches(new_group, score.size),
    )


def _stretches(breaks: NDArray[np.bool_], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    edges = np.concatenate([[0], np.flatnonzero(breaks) + 1, [size]])
    lengths = np.diff(edges)
    return np.repeat(edges[:-1], lengths), np.repeat(edges[1:], lengths)


def _cumulate(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """[D, n] to [D, n + 1]: the weight before each row."""
    sums = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


def _divide(value: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.divide(value, by, out=np.full(value.shape, np.nan), where=by > 0)
    return result
