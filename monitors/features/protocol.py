"""What every featuriser does: StepViews in, a scorer's inputs out, one raw step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitors.features.chunks import to_chunks
from monitors.stepview import StepView

TURNS = 0
"""Place in every featuriser's memory that counts the turns so far."""


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
    """One raw step of each of B runs, as a scorer takes them. Their rows stand in C chunks of width L: one long step
    makes more chunks, and no other step any wider.
    """

    rows: NDArray[np.int64]
    """[C, L] vocabulary rows, 0 where padded; the first chunk is empty."""
    weights: NDArray[np.float32]
    """[C, L] weights, 0 where padded."""
    chunks: NDArray[np.int64]
    """[B, K] the chunks of each raw step; 0, the empty one, where it has fewer than K."""
    shape: NDArray[np.float32]
    """[B, n_shape] run-shape numbers."""
    opens: NDArray[np.float32]
    """[B] 1 if the raw step opens a turn, else 0."""

    def pad(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return each raw step's rows and weights side by side, [B, K * L], as graphs without chunks take them."""
        size = len(self.chunks)
        return self.rows[self.chunks].reshape(size, -1), self.weights[self.chunks].reshape(size, -1)


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

    def step_batch(
        self, views: Sequence[StepView], memories: Sequence[NDArray[np.int64]]
    ) -> tuple[FeatureBatch, list[NDArray[np.int64]]]:
        """Return the numbers of one raw step of each of B runs, B > 0, and their next memories: those of `step`, to the
        bit.
        """

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a bundle keeps of it."""


def to_batch(features: Sequence[StepFeatures]) -> FeatureBatch:
    """Return the arrays of several raw steps."""
    offsets = np.zeros(len(features) + 1, np.int64)
    np.cumsum([step.rows.size for step in features], out=offsets[1:])
    rows = np.concatenate([step.rows for step in features])
    weights = np.concatenate([step.weights for step in features])
    shape = np.stack([step.shape for step in features])
    opens = np.array([step.opens for step in features], np.float32)
    return FeatureBatch(*to_chunks(rows, weights, offsets), shape, opens)


def step_each(
    featuriser: Featuriser, views: Sequence[StepView], memories: Sequence[NDArray[np.int64]]
) -> tuple[FeatureBatch, list[NDArray[np.int64]]]:
    """Return what `step_batch` does, one raw step after the other: for a featuriser without a quicker way."""
    features = [featuriser.step(view, memory) for view, memory in zip(views, memories, strict=True)]
    return to_batch(features), [step.memory for step in features]
