"""How good could any score be, given what the prefix shows? An estimate of the observability ceiling of AUPRC.

**What is estimated.** With η(x) = P(y = 1 | prefix x), no score ranks turns better than η itself, in expectation over
labels; the ceiling is the average precision that η reaches. Where η stays away from 0 and 1, prefixes do not hold the
outcome, and no training can put it there.

**Estimator.** η is estimated by cross-fitting: the tasks are cut into folds; an ensemble of trees is fitted on the
others and made probabilities by isotonic regression on turns that it did not see either; so every turn is scored by
models, and by a calibration, that saw none of its task. The *plug-in* ceiling is the average precision of those η̂,
if labels were drawn from η̂ itself:  AP = Σ_i η_i · P_i / Σ_i η_i,  P_i = share of expected positives among the turns
ranked at or above i.

**Assumptions.** The features hold what prefixes show (x is *these features*, not the text); tasks are exchangeable;
isotonic regression has enough turns. Labels within a run are treated as if independent given η: only their expectation
enters, so that the plug-in is right whatever their dependence, up to order 1 / positives.

**Bias, both ways.** A model too weak for η averages over prefixes that differ: its estimate is less extreme, and the
plug-in falls *below* the ceiling of x (by 0.02 – 0.04 on simulated sets of 3,600 turns). Noise in the estimate that
calibration does not take back makes it too extreme, and the plug-in *too high*; isotonic steps on few turns do that.
A score that was really reached on these turns, `achieved`, bounds the ceiling from below up to its own sampling error.
The estimate is therefore the greater of the two, and the gap between the plug-in and what the estimated η itself
achieves (`gap`) says how far calibration is off. It is no upper bound: better features may show more. Interval: 2.5 and
97.5 % of bootstrap draws over tasks, models held fixed; refitting would widen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.isotonic import IsotonicRegression

from induction.evaluation.metrics import to_interval
from induction.evaluation.ranking import rank

FOLDS = 5
DRAWS = 200
TREES = 100
MIN_TURNS = 40
"""Of either label; with fewer there is nothing to estimate."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """An estimate of the best average precision that any score of these prefixes could reach."""

    value: float
    """The greater of plug-in and achieved."""
    lo: float
    hi: float
    plug_in: float
    achieved: float
    """Average precision that really was reached: by the estimated η or a score that was given, whichever is better."""
    gap: float
    """Plug-in less what η̂ achieves: near 0 where it is calibrated, positive where it is too sure of itself."""
    base_rate: float
    turns: int
    tasks: int

    def to_figures(self, prefix: str) -> dict[str, float]:
        """Return flat figures, each name beginning with `prefix`."""
        names = {"": self.value, "_lo": self.lo, "_hi": self.hi, "_plug_in": self.plug_in, "_gap": self.gap}
        return {f"{prefix}{name}": value for name, value in names.items()}


def estimate_ceiling(
    features: NDArray[np.float64],
    label: NDArray[np.float64],
    task: NDArray[np.int64],
    achieved: Mapping[str, NDArray[np.float64]] | None = None,
    seed: int = 0,
) -> Ceiling | None:
    """Return the ceiling for n turns of features [n, d], labels [n] in {0, 1} and task numbers [n].

    None with fewer than MIN_TURNS of either label, or fewer tasks than folds.

    `achieved` holds scores of the same turns that were not fitted on their labels. Deterministic for a seed.
    """
    positives = int(label.sum())
    tasks = np.unique(task)
    if min(positives, label.size - positives) < MIN_TURNS or tasks.size < FOLDS:
        return None
    eta = cross_fit(features, label, task, seed)
    weights = _draw(task, seed)
    every = np.ones((1, int(task.max()) + 1))
    plug_in, plug_draws = (expected_average_precision(eta, task, one) for one in (every, weights))
    scores = [eta, *(achieved or {}).values()]
    rankings = [rank(score, label > 0, task) for score in scores]
    reached = np.stack([ranking.average_precision(every) for ranking in rankings])[:, 0]
    reached_draws = np.stack([ranking.average_precision(weights) for ranking in rankings])
    draws = np.fmax(plug_draws, reached_draws.max(0))
    low, high = to_interval(draws) or (float("nan"), float("nan"))
    return Ceiling(
        value=float(max(plug_in[0], reached.max())),
        lo=low,
        hi=high,
        plug_in=float(plug_in[0]),
        achieved=float(reached.max()),
        gap=float(plug_in[0] - reached[0]),
        base_rate=float(label.mean()),
        turns=int(label.size),
        tasks=int(tasks.size),
    )


def cross_fit(
    features: NDArray[np.float64], label: NDArray[np.float64], task: NDArray[np.int64], seed: int = 0
) -> NDArray[np.float64]:
    """Return η̂ [n]: of every turn by models that saw nothing of its task."""
    fold = _assign(np.unique(task), seed)[task]
    # One model for each pair of folds, fitted on the others: of a pair, either fold calibrates for the other.
    single = np.zeros((FOLDS, label.size))
    for one, other in combinations(range(FOLDS), 2):
        left_out = (fold == one) | (fold == other)
        scores = _fit(features[~left_out], label[~left_out], seed, features[left_out])
        for mine, theirs in ((one, other), (other, one)):
            single[theirs, fold == mine] = scores[fold[left_out] == mine]
    eta = np.full(label.size, label.mean())
    for held in range(FOLDS):
        rest = fold != held
        isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        isotonic.fit(single[held, rest], label[rest])
        others = [other for other in range(FOLDS) if other != held]
        eta[~rest] = isotonic.predict(single[others][:, ~rest].mean(0))
    return eta


def expected_average_precision(
    eta: NDArray[np.float64], group: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return [D] the average precision of η for labels drawn from η, for multiplicities [D, G] of the turns' groups.

    Ties are one step of the curve, as in scikit-learn's average_precision_score.
    """
    order = np.argsort(-eta, kind="stable")
    value, drawn = eta[order], weights[:, group[order]]
    ends = np.append(np.flatnonzero(np.diff(value)), value.size - 1)
    found = np.cumsum(drawn, axis=1)[:, ends]
    right = np.cumsum(drawn * value, axis=1)[:, ends]
    precision = np.divide(right, found, out=np.zeros_like(found), where=found > 0)
    gained = np.diff(right, axis=1, prepend=0.0)
    total = right[:, -1]
    expected: NDArray[np.float64] = np.divide(
        (gained * precision).sum(1), total, out=np.full(total.shape, np.nan), where=total > 0
    )
    return expected


def _fit(
    features: NDArray[np.float64], label: NDArray[np.float64], seed: int, ask: NDArray[np.float64]
) -> NDArray[np.float64]:
    if label.min() == label.max():
        return np.full(ask.shape[0], label[0])
    trees = ExtraTreesClassifier(TREES, min_samples_leaf=10, max_features=1.0, random_state=seed, n_jobs=1)
    found: NDArray[np.float64] = trees.fit(features, label).predict_proba(ask)[:, 1]
    return found


def _assign(tasks: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the fold of every task number, 0 … greatest."""
    fold = np.zeros(int(tasks.max()) + 1, np.int64)
    fold[np.random.default_rng(seed).permutation(tasks)] = np.arange(tasks.size) % FOLDS
    return fold


def _draw(task: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    tasks = np.unique(task)
    weights = np.zeros((DRAWS, int(task.max()) + 1))
    weights[:, tasks] = np.random.default_rng(seed).multinomial(tasks.size, np.full(tasks.size, 1 / tasks.size), DRAWS)
    return weights
