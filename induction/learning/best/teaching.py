"""What teaches the network: text logits and trees' class probabilities, each from models that never saw the run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.ensemble import ExtraTreesClassifier

from induction.learning.best.classes import N_CLASSES, to_classes
from induction.learning.best.steps import Steps
from induction.learning.best.texts import fit_table, to_text_features

N_INNER = 3
N_TREES = 150
OPEN_WEIGHT = 0.3
"""Weight of a raw step in the middle of a turn beside one that ends it."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the network learns from, for all raw steps of the training runs."""

    features: NDArray[np.float32]
    """[S, n_shape + 4 * N_COLUMNS] run-shape numbers and text logits out of fold."""
    classes: NDArray[np.float32]
    """[S, N_CLASSES] the trees' probabilities out of fold."""
    inner: NDArray[np.int64]
    """[R] the inner fold of each run, 0 … N_INNER - 1: whole tasks."""


def to_inner_folds(steps: Steps, seed: int) -> NDArray[np.int64]:
    """Return each run's inner fold [R]: tasks in the order of a hash of seed and task, dealt out in turn."""

    def rank(task: str) -> str:
        return hashlib.sha256(f"inner {seed}:{task}".encode("utf-8", "replace")).hexdigest()

    fold = {task: place % N_INNER for place, task in enumerate(sorted({run.task for run in steps.runs}, key=rank))}
    return np.array([fold[run.task] for run in steps.runs])


def read_texts(
    steps: Steps, bags: csr_array, field_of_row: NDArray[np.int8], inner: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return text features [S, 4 * N_COLUMNS] out of fold: each run's from tables of the other inner folds."""
    features: NDArray[np.float32] | None = None
    for fold in range(N_INNER):
        table = fit_table(steps, bags, field_of_row, inner != fold)
        part = to_text_features(steps, bags @ table)
        features = part if features is None else features
        own = inner[steps.run] == fold
        features[own] = part[own]
    assert features is not None
    return features


def ask_trees(
    steps: Steps, features: NDArray[np.float32], inner: NDArray[np.int64], seed: int, n_trees: int = N_TREES
) -> NDArray[np.float32]:
    """Return class probabilities [S, N_CLASSES] out of fold, from extremely randomised trees on the features."""
    label = to_classes(steps.turns_left, steps.fails[steps.run])
    weight = to_step_weights(steps)
    probabilities = np.zeros((steps.run.size, N_CLASSES), np.float32)
    fold_of_step = inner[steps.run]
    for fold in range(N_INNER):
        rest, own = fold_of_step != fold, fold_of_step == fold
        trees = ExtraTreesClassifier(n_trees, min_samples_leaf=5, max_features=0.3, random_state=seed, n_jobs=1)
        trees.fit(features[rest], label[rest], weight[rest])
        probabilities[np.ix_(own, trees.classes_)] = trees.predict_proba(features[own])
    return probabilities


def to_step_weights(steps: Steps) -> NDArray[np.float32]:
    """Return loss weights [S]: 1 for the end of a turn, OPEN_WEIGHT before."""
    return np.where(steps.closes, 1.0, OPEN_WEIGHT).astype(np.float32)
