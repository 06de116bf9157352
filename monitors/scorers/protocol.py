"""What every scorer does, whatever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitors.features.protocol import FeatureBatch

INPUT_NAMES = ("rows", "weights", "chunks", "shape", "opens", "state")
PADDED_INPUT_NAMES = ("rows", "weights", "shape", "opens", "state")
"""Of a graph from before there were chunks: rows and weights [B, L], as wide as the longest."""
OUTPUT_NAMES = ("risk_logit", "failure_logit", "symbol", "next_state")


@dataclass(frozen=True, slots=True)
class ScoreBatch:
    """Scores of one raw step of each of B runs. Logits: higher = more likely to fail, not calibrated."""

    risk_logit: NDArray[np.float32]
    """[B] of failing within the next h turns."""
    failure_logit: NDArray[np.float32]
    """[B] of failing in the end: the alert statistic."""
    symbol: NDArray[np.int64]
    """[B] event symbol, 0 … K - 1."""
    state: NDArray[np.float32]
    """[B, state_size] state after the raw step."""


def to_inputs(features: FeatureBatch, state: NDArray[np.float32], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return a graph's inputs by name; `names` is INPUT_NAMES or PADDED_INPUT_NAMES."""
    inputs: dict[str, NDArray[Any]] = {"shape": features.shape, "opens": features.opens, "state": state}
    if "chunks" in names:
        return {**inputs, "rows": features.rows, "weights": features.weights, "chunks": features.chunks}
    rows, weights = features.pad()
    return {**inputs, "rows": rows, "weights": weights}


class Scorer(Protocol):
    """Scores raw steps of many runs at once. A run's scores depend on that run alone; cost does not depend on how many
    steps it has had.
    """

    state_size: int
    device: str

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a run without steps: float32 [state_size], all zero."""

    def step(self, features: FeatureBatch, state: NDArray[np.float32]) -> ScoreBatch:
        """Return scores and next states; `state` is float32 [B, state_size] and stays as it is."""
