"""What teaches the network: text logits and trees' class probabilities, each from models that never saw the run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score

from induction.learning.best.classes import N_CLASSES, to_classes, to_members
from induction.learning.best.steps import Steps
from induction.learning.best.texts import TABLE_COSTS, fit_table, to_text_features
from induction.learning.checkpoints import Remember, make_at_once

N_INNER = 3
N_TREES = 200
TEXT_COSTS = TABLE_COSTS * N_INNER
TREE_COSTS = (3.0, 3.0, 1.0) * N_INNER
"""How long the parts that are remembered take beside one another, in their order."""
BINARY_SHARE = 1 / 7
"""Of a boosted model of the risk alone in the teachers' risk. Average precision on training folds held out, of
forest and boosting alike without it, and of twice the forest with it: webshop .654/.665, tau2-airline .477/.484,
moatless .660/.661, tau-airline .471/.458."""
OPEN_WEIGHT = 0.3
"""Weight of a raw step in the middle of a turn beside one that ends it."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the network learns from, for all raw steps of the training runs."""

    features: NDArray[np.float32]
    """[S, n_shape + 4 * N_COLUMNS] run-shape numbers and text logits out of fold."""
    classes: NDArray[np.float32]
    """[S, N_CLASSES] the trees' probabilities out of fold."""


def to_inner_folds(steps: Steps, seed: int) -> NDArray[np.int64]:
    """Return each run's inner fold [R]: tasks in the order of a hash of seed and task, dealt out in turn."""

    def rank(task: str) -> str:
        return hashlib.sha256(f"inner {seed}:{task}".encode("utf-8", "replace")).hexdigest()

    fold = {task: place % N_INNER for place, task in enumerate(sorted({run.task for run in steps.runs}, key=rank))}
    return np.array([fold[run.task] for run in steps.runs])


def read_texts(
    steps: Steps,
    bags: csr_array,
    field_of_row: NDArray[np.int8],
    inner: NDArray[np.int64],
    remember: Remember = make_at_once,
) -> NDArray[np.float32]:
    """Return text features [S, 4 * N_COLUMNS] out of fold: each run's from tables of the other inner folds."""
    features: NDArray[np.float32] | None = None
    for fold in range(N_INNER):
        table = fit_table(steps, bags, field_of_row, inner != fold, _within(remember, fold))
        part = to_text_features(steps, bags @ table)
        features = part if features is None else features
        own = inner[steps.run] == fold
        features[own] = part[own]
    assert features is not None
    return features


def ask_trees(
    steps: Steps,
    features: NDArray[np.float32],
    inner: NDArray[np.int64],
    seed: int,
    *,
    horizon: int = 3,
    n_trees: int = N_TREES,
    remember: Remember = make_at_once,
) -> NDArray[np.float32]:
    """Return class probabilities [S, N_CLASSES] out of fold, from forest and boosting on the features."""
    left, fails = steps.turns_left, steps.fails[steps.run]
    label, at_risk = to_classes(left, fails), (fails & (left <= horizon)).astype(np.int64)
    weight = to_step_weights(steps)
    probabilities = np.zeros((steps.run.size, N_CLASSES), np.float32)
    fold_of_step = inner[steps.run]
    for fold in range(N_INNER):
        rest, own = fold_of_step != fold, fold_of_step == fold
        ask, of_fold = partial(_ask, features, weight, rest, own), _within(remember, fold)
        mean = 2 / 3 * of_fold("forest", partial(ask, _forest(n_trees, seed), label))
        mean += 1 / 3 * of_fold("boosting", partial(ask, _boosting(n_trees // 4, 0.08, seed), label))
        risk = of_fold("risk", partial(ask, _boosting(n_trees * 2 // 5, 0.05, seed), at_risk))
        probabilities[own] = _draw_risk(mean, risk[:, 1], horizon)
    return probabilities


def _ask(
    features: NDArray[np.float32],
    weight: NDArray[np.float32],
    rest: NDArray[np.bool_],
    own: NDArray[np.bool_],
    model: Any,
    label: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the probabilities [own, N_CLASSES] of a model of the rest; zeros for classes that it never met."""
    model.fit(features[rest], label[rest], weight[rest])
    found = np.zeros((int(own.sum()), N_CLASSES))
    found[:, model.classes_] = model.predict_proba(features[own])
    return found


def _within(remember: Remember, fold: int) -> Remember:
    return lambda name, make: remember(f"{fold}-{name}", make)


def judge_lessons(steps: Steps, classes: NDArray[np.float32], horizon: int) -> tuple[float, float]:
    """Return the average precision of the teachers' own risk over ends of turns, out of fold, and what chance gives."""
    rows = np.flatnonzero(steps.closes)
    at_risk = steps.fails[steps.run[rows]] & (steps.turns_left[rows] <= horizon)
    risk = classes[rows] @ to_members(horizon)[:, 0]
    return float(average_precision_score(at_risk, risk)), float(at_risk.mean())


def _forest(n_trees: int, seed: int) -> ExtraTreesClassifier:
    return ExtraTreesClassifier(n_trees, min_samples_leaf=8, max_features=0.4, random_state=seed, n_jobs=1)


def _boosting(n_rounds: int, rate: float, seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        learning_rate=rate, max_iter=n_rounds, max_leaf_nodes=7, l2_regularization=5.0, max_features=0.4, max_bins=63,
        early_stopping=False, random_state=seed,
    )  # fmt: skip


def _draw_risk(probabilities: NDArray[np.float64], risk: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
    """Return class probabilities whose risk is drawn towards another model's, the shares inside risk and rest kept."""
    within = to_members(horizon)[:, 0] > 0
    before = probabilities[:, within].sum(1).clip(1e-6, 1.0 - 1e-6)
    after = (1.0 - BINARY_SHARE) * before + BINARY_SHARE * risk
    scale = np.where(within, (after / before)[:, None], ((1.0 - after) / (1.0 - before))[:, None])
    drawn: NDArray[np.float64] = probabilities * scale
    return drawn


def to_step_weights(steps: Steps) -> NDArray[np.float32]:
    """Return loss weights [S]: 1 for the end of a turn, OPEN_WEIGHT before."""
    return np.where(steps.closes, 1.0, OPEN_WEIGHT).astype(np.float32)
