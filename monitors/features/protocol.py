"""What every featuriser does: StepViews in, a scorer's inputs out, one raw step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitors.stepview import StepView

TURNS = 0
"""Place in every featuriser's memory that counts the turns so far."""
ROW_QUANTUM = 64
"""Rows are padded to a multiple of this, so that ONNX Runtime sees few distinct shapes."""


@dataclass(frozen=True, slots=True)
class StepFeatures:
    """One raw step as numbers."""

    rows: NDArray[np.int32]
    """[n] rows of the vocabulary that occur in this raw step; a row repeats where several fields hold it."""
    weights: NDArray[np.float32]
    """[n] their weights, of length 1 for each field that has any."""
    shape: NDArray[np.float32]
    """[n_shape] run-shape numbers after this raw step."""
    opens: bool
    """True if this raw step opens a turn."""
    memory: NDArray[np.int64]
    """[M] the run's memory after this raw step."""


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """One raw step of each of B runs, as a scorer takes them."""

    rows: NDArray[np.int64]
    """[B, L] vocabulary rows, 0 where padded."""
    weights: NDArray[np.float32]
    """[B, L] weights, 0 where padded."""
    shape: NDArray[np.float32]
    """[B, n_shape] run-shape numbers."""
    opens: NDArray[np.float32]
    """[B] 1 if the raw step opens a turn, else 0."""


class Featuriser(Protocol):
    """Turns one raw step at a time into numbers; all that it remembers of a run is the memory that it is given and
    gives back.
    """

    kind: str
    """Its name in a bundle's manifest."""
    n_rows: int
    """Rows of its vocabulary."""
    n_shape: int
    """Run-shape numbers that it makes."""

    def initial_memory(self) -> NDArray[np.int64]:
        """Return the memory of a run without steps: int64 [M], zeros."""

    def step(self, view: StepView, memory: NDArray[np.int64]) -> StepFeatures:
        """Return the numbers of one raw step after the steps that `memory` has seen. `memory` stays as it is. Uses
        nothing later.
        """

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a bundle keeps of it."""


def to_batch(features: Sequence[StepFeatures]) -> FeatureBatch:
    """Return the padded arrays of several raw steps: L is the longest row list, rounded up to ROW_QUANTUM."""
    longest = max((step.rows.size for step in features), default=0)
    width = max(ROW_QUANTUM, -(-longest // ROW_QUANTUM) * ROW_QUANTUM)
    rows = np.zeros((len(features), width), np.int64)
    weights = np.zeros((len(features), width), np.float32)
    for index, step in enumerate(features):
        rows[index, : step.rows.size] = step.rows
        weights[index, : step.weights.size] = step.weights
    shape = np.stack([step.shape for step in features])
    opens = np.array([step.opens for step in features], np.float32)
    return FeatureBatch(rows, weights, shape, opens)
